// What the model would say if it stopped after so many blocks: norm and head on the stream.
"use strict";

explorers.define("residual", (app, data) => {
    const { el, percent, shown, chips, sentences, slider, arrows, tabTo } = explorers;
    const blocks = data.sentences[0].stages.length - 1;

    const state = { sentence: null, stage: blocks, at: 0 };
    let words = [];
    let tokens = [];

    const line = el("div", {
        class: "tokens lens-tokens", role: "radiogroup",
        "aria-label": "Token after which the model speaks",
    });
    const stop = slider({
        label: "Stop after", min: 0, max: blocks, value: blocks,
        says: stageName,
        change: chooseStage,
    });
    const body = el("tbody");
    const says = el("p", { class: "explorer-says", role: "status" });
    const table = el(
        "table", { class: "lens" },
        el("caption"),
        el(
            "thead", {},
            el(
                "tr", {},
                el("th", { scope: "col" }, "stopped after"),
                el("th", { scope: "col" }, "the likeliest next tokens"),
                el("th", { scope: "col" }, "story’s token"),
            ),
        ),
        body,
    );
    app.append(
        sentences({
            label: "Sentence", texts: data.sentences.map((s) => s.tokens.join("")),
            given: data.sentences, what: "lens", choose: chooseSentence,
        }),
        el("div", { class: "explorer-sliders" }, stop.root),
        line, says, table,
    );
    arrows(line, () => tokens, () => state.at, () => 1, chooseToken);
    chooseSentence(data.sentences[0]);

    function stageName(k) {
        return k === 0 ? "the embeddings" : `block ${k - 1}`;
    }

    function stages() {
        return state.sentence.stages;
    }

    function chooseSentence(sentence) {
        state.sentence = sentence;
        words = chips(sentence.tokens);
        tokens = words.map((word, i) => el(
            "button",
            { type: "button", role: "radio", onclick: () => chooseToken(i) },
            el("span", {}, word), el("small", {}),
        ));
        line.replaceChildren(...tokens);
        state.at = start();
        draw();
    }

    /** The position whose answer takes longest to appear, as in residual.py. */
    function start() {
        const late = words.slice(0, -1).map((_, at) => {
            const right = stages().map((stage) => stage[at].next[1] === 1);
            return right[blocks] ? right.lastIndexOf(false) + 1 : -1;
        });
        return Math.max(0, late.lastIndexOf(Math.max(...late)));
    }

    function chooseStage(number) {
        state.stage = number;
        draw();
    }

    function chooseToken(number) {
        state.at = number;
        draw();
    }

    function draw() {
        const { stage, at } = state;
        tabTo(tokens, at);
        let right = 0;
        tokens.forEach((token, i) => {
            const { top, next } = stages()[stage][i];
            const hit = next?.[1] === 1;
            right += hit;
            token.classList.toggle("looks", i === at);
            token.classList.toggle("right", hit);
            token.lastChild.textContent = `${hit ? "✓" : "→"} ${shown(top[0])}`;
        });
        const { top } = stages()[stage][at];
        says.textContent =
            `Stopped after ${stageName(stage)}, the model says “${shown(top[0])}” ` +
            `after “${words[at]}” (${percent(top[1])}). It is right ✓ about ` +
            `${right} of ${words.length - 1} next tokens.`;
        drawTable();
    }

    function drawTable() {
        const { stage, at } = state;
        const next = words[at + 1];
        table.caption.textContent = `After “${words.slice(0, at + 1).slice(-4).join(" ")}”` +
            (next === undefined ? ", where the sentence ends" : ` the story says “${next}”`);
        body.replaceChildren(...stages().map((places, k) => {
            const place = places[at];
            const best = [];
            for (let i = 0; i < place.top.length; i += 2) {
                best.push(el(
                    "span", { class: i > 2 ? "more" : "" },
                    `${shown(place.top[i])} `, el("small", {}, percent(place.top[i + 1])),
                ), " ");
            }
            return el(
                "tr", { "aria-current": k === stage ? "true" : false },
                el("th", { scope: "row" }, k === 0 ? "embeddings" : stageName(k)),
                el("td", {}, ...best),
                el("td", {}, place.next ? percent(place.next[0]) : "–"),
            );
        }));
    }
});
