// Pick a sentence, a block and a head; point at a token and see where it looks.
"use strict";

explorers.define("attention", (app, data) => {
    const { el, percent, chips, sentences, arrows, tabTo } = explorers;
    const layers = data.sentences[0].weights.length;
    const heads = data.sentences[0].weights[0].length;

    const state = { sentence: null, layer: 0, head: 0, at: 0, over: null };
    let words = [];
    let tokens = [];

    // One small picture for each head: columns are blocks, rows are heads.
    const maps = [];
    const grid = el("div", {
        class: "head-grid", role: "radiogroup", "aria-label": "Block and head",
        style: `--layers:${layers}`,
    });
    grid.append(el("span", { class: "corner", "aria-hidden": "true" }, "block"));
    for (let layer = 0; layer < layers; layer++) {
        grid.append(el("span", { "aria-hidden": "true" }, layer));
    }
    for (let head = 0; head < heads; head++) {
        grid.append(el("span", { class: "side", "aria-hidden": "true" }, `head ${head}`));
        for (let layer = 0; layer < layers; layer++) {
            const map = el(
                "button",
                {
                    type: "button", role: "radio",
                    "aria-label": `Block ${layer}, head ${head}`,
                    onclick: () => chooseHead(maps.indexOf(map)),
                },
                el("canvas", {}),
            );
            maps.push(map);
            grid.append(map);
        }
    }

    const line = el("div", {
        class: "tokens", role: "radiogroup", "aria-label": "Token that looks",
        onmouseleave: () => lookFrom(null),
    });
    const says = el("p", { class: "explorer-says", role: "status" });
    const show = el("button", { type: "button", onclick: showReference });
    app.append(
        sentences({
            label: "Sentence", texts: data.sentences.map((s) => s.tokens.join("")),
            given: data.sentences, what: "attention", choose: chooseSentence,
        }),
        el(
            "div", { class: "explorer-columns" },
            el("div", {}, line, says, show),
            grid,
        ),
    );
    arrows(grid, () => maps, () => state.head * layers + state.layer, () => layers, chooseHead);
    arrows(line, () => tokens, () => state.at, () => 1, chooseToken);
    chooseSentence(data.sentences[0]);

    function weights() {
        return state.sentence.weights[state.layer][state.head];
    }

    function chooseSentence(sentence) {
        state.sentence = sentence;
        words = chips(sentence.tokens);
        tokens = words.map((word, i) => el(
            "button",
            {
                type: "button", role: "radio",
                onclick: () => chooseToken(i), onmouseenter: () => lookFrom(i),
            },
            el("span", {}, word), el("small", {}),
        ));
        line.replaceChildren(...tokens);
        maps.forEach((map, i) => paint(
            map.firstChild, sentence.weights[i % layers][Math.floor(i / layers)],
        ));
        show.hidden = !sentence.try;
        if (sentence.try) {
            const { from, to } = sentence.try;
            const earlier = words[from] === words[to] ? "the earlier " : "";
            show.textContent = `Where does “${words[from]}” find ${earlier}“${words[to]}”?`;
            showReference();
        } else {
            chooseToken(words.length - 1);
        }
    }

    function showReference() {
        const { layer, head, from } = state.sentence.try;
        Object.assign(state, { layer, head, at: from, over: null });
        draw();
    }

    function chooseHead(number) {
        state.layer = number % layers;
        state.head = Math.floor(number / layers);
        draw();
    }

    function chooseToken(number) {
        state.at = number;
        state.over = null;
        draw();
    }

    /** While the mouse is over a token, see that one's weights. */
    function lookFrom(number) {
        state.over = number;
        draw();
    }

    function draw() {
        const from = state.over ?? state.at;
        const row = weights()[from];
        tabTo(maps, state.head * layers + state.layer);
        tabTo(tokens, state.at);
        tokens.forEach((token, i) => {
            const later = i > from;
            token.classList.toggle("looks", i === from);
            token.classList.toggle("later", later);
            token.style.setProperty("--weight", later ? 0 : row[i] / 1000);
            token.lastChild.textContent = later ? "later" : percent(row[i]);
        });
        says.textContent = describe(from, row);
    }

    function describe(from, row) {
        const where = `Block ${state.layer}, head ${state.head}: “${words[from]}”`;
        if (from === 0) {
            return `${where} is the first token. It can only look at itself.`;
        }
        const best = row
            .map((weight, i) => [weight, i])
            .sort((a, b) => b[0] - a[0])
            .slice(0, 3)
            .filter(([weight]) => weight >= 10)
            .map(([weight, i]) => {
                const word = i === from ? "itself" : `“${words[i]}”`;
                return `${percent(weight)} to ${word}`;
            });
        return `${where} gives ${best.join(", ")}.`;
    }

    /** Draw a head as a triangle: row i holds what token i looks at. */
    function paint(canvas, matrix) {
        const size = matrix.length;
        const pixels = new ImageData(size, size);
        matrix.forEach((row, i) => row.forEach((weight, j) => {
            // A violet that shows on light and on dark.
            const share = Math.sqrt(weight / 1000);
            pixels.data.set([126, 84, 206, 18 + 237 * share], 4 * (i * size + j));
        }));
        canvas.width = size;
        canvas.height = size;
        canvas.getContext("2d").putImageData(pixels, 0, 0);
    }
});
