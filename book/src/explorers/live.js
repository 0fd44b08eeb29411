// Type, and see what GPT-2 says could come next; click a token, or let it write.
"use strict";

explorers.define("live", (app, data) => {
    const { el, percent, shown, gpt2 } = explorers;
    const PAUSE = 70; // milliseconds between tokens, so that a reader can follow

    let text = data.text; // what the reader typed
    let written = []; // the IDs that came after it
    let next = data.bars; // the likeliest tokens: id, token, share in thousandths
    let answer = null; // the model's last
    let asked = 0;
    let pending = null; // the promise of the last answer
    let writer = null; // whoever may go on writing

    const field = el("textarea", {
        rows: 3, maxlength: 4000, spellcheck: "false", oninput: () => restart(field.value),
    });
    const bars = next.map((_, i) => el(
        "button", { type: "button", onclick: () => click(next[i].id) },
        el("span"), el("i"), el("small"),
    ));
    const write = el("button", { type: "button", onclick: () => (writer ? stop("") : start()) });
    const says = el("p", { class: "explorer-says", role: "status" });
    app.append(
        el("label", { class: "live-text" }, el("span", {}, "The text so far"), field),
        el(
            "div", { class: "live-bars", role: "group", "aria-label": "The likeliest next tokens" },
            ...bars,
        ),
        el(
            "div", { class: "explorer-buttons" },
            write,
            el("button", { type: "button", onclick: () => restart(data.text) }, "Start over"),
        ),
        says,
    );
    field.value = text;
    stop("Click what should come next, or type a text of your own.");
    show();

    /** Begin again, with a text of the reader's. */
    function restart(typed) {
        stop("");
        text = typed;
        written = [];
        if (field.value !== typed) {
            field.value = typed;
        }
        return ask();
    }

    function click(id) {
        stop("");
        return take(id);
    }

    /** Put a token behind the text, where the text can go on. */
    async function take(id) {
        await pending;
        if (id === data.end) {
            stop("Here the model ends the text.");
        } else if (answer?.room === 0) {
            stop("The model reads no more tokens at once than these.");
        } else {
            written.push(id);
            await ask();
        }
    }

    /** Ask the model what comes next. An answer to an older question is dropped. */
    function ask() {
        const mine = ++asked;
        pending = gpt2.ask("next", text, written).then(
            (came) => mine === asked && hear(came),
            () => stop("The model could not be loaded."),
        );
        return pending;
    }

    function hear(came) {
        answer = came;
        const { shares } = answer;
        next = likeliest(shares, next.length).map((id) => ({
            id, token: gpt2.tokenizer.piece(id), share: perMille(shares[id]),
        }));
        if (written.length) {
            field.value = answer.text;
            field.scrollTop = field.scrollHeight;
        }
        show();
        if (writer === null) {
            explorers.tell(field.value);
        }
    }

    function stop(message) {
        if (writer !== null) {
            explorers.tell(field.value);
        }
        writer = null;
        write.textContent = "Let it write";
        says.textContent = message;
    }

    /** Write one token after another, each drawn by the odds that the bars show. */
    async function start() {
        const mine = {};
        writer = mine;
        write.textContent = "Stop";
        says.textContent = "";
        await (pending ?? ask());
        while (writer === mine) {
            await take(draw());
            await new Promise((resolve) => setTimeout(resolve, PAUSE));
        }
    }

    function draw() {
        let left = Math.random();
        const id = answer.shares.findIndex((share) => (left -= share) < 0);
        return id < 0 ? next[0].id : id;
    }

    function show() {
        next.forEach(({ id, token, share }, i) => {
            const [word, bar, number] = bars[i].children;
            word.textContent = id === data.end ? "the end" : shown(token);
            bar.style.width = `${share / 10}%`;
            number.textContent = percent(share);
        });
    }
});
