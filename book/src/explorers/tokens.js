// Type a text, see its tokens; choose one, and see how its word was put together.
"use strict";

explorers.define("tokens", (app, data) => {
    const { el, load, arrows, tabTo } = explorers;
    let tokenizer = null;
    let tokens = []; // of the whole text: id, token, and the stages of its word
    let chosen = 0;
    let buttons = [];

    const field = el("textarea", {
        rows: 2, maxlength: 300, spellcheck: "false", oninput: () => read(field.value),
    });
    const line = el("div", { class: "tokens", role: "radiogroup", "aria-label": "Tokens" });
    const says = el("p", { class: "explorer-says", role: "status" });
    const merges = el("ol", { class: "merges" });
    app.append(
        el("label", { class: "live-text" }, el("span", {}, "A text"), field), line, says, merges,
    );
    arrows(line, () => buttons, () => chosen, () => 1, choose);
    field.value = data.text;
    draw(data.words.flatMap((word) => word.ids.map(
        (id, i) => ({ id, token: word.tokens[i], stages: [] }),
    )));
    says.textContent = "Choose a token.";
    start();

    async function start() {
        await Promise.all([load("gpt2/tokenizer.js"), load("gpt2/demo.tokenizer.js")]);
        tokenizer = new Tokenizer(explorers.data.tokenizer);
        read(field.value);
    }

    function read(text) {
        if (tokenizer === null) {
            return; // It reads what was typed when it is there.
        }
        chosen = 0;
        draw(tokenizer.words(text).flatMap((word) => {
            const stages = tokenizer.stages(word);
            return stages.at(-1).map((token) => {
                const id = tokenizer.ids.get(token);
                return { id, token: tokenizer.piece(id), stages };
            });
        }));
        says.textContent =
            `${Array.from(text).length} characters, ${tokens.length} tokens. Choose one.`;
    }

    function draw(found) {
        tokens = found;
        buttons = tokens.map(({ id, token }, i) => el(
            "button", { type: "button", role: "radio", onclick: () => choose(i) },
            el("span", {}, visible(token)), el("small", {}, id),
        ));
        line.replaceChildren(...buttons);
        merges.replaceChildren();
        tabTo(buttons, chosen);
    }

    function choose(number) {
        chosen = number;
        const { id, token, stages } = tokens[chosen];
        tabTo(buttons, chosen);
        buttons.forEach((button, i) => button.classList.toggle("looks", i === chosen));
        says.textContent = `“${visible(token)}” is token ${id}.`;
        merges.replaceChildren(...stages.map((stage) => el("li", {}, stage.map(letters).join(" · "))));
    }

    /** A part of a word on its way to a token: its letters stand for bytes. */
    function letters(part) {
        const bytes = Uint8Array.from(part, (letter) => tokenizer.bytes.get(letter));
        const text = new TextDecoder().decode(bytes);
        const hex = (byte) => `<${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
        return text.includes("�") ? Array.from(bytes, hex).join("") : visible(text);
    }

    function visible(text) {
        return text.replaceAll(" ", "␣").replaceAll("\n", "⏎");
    }
});
