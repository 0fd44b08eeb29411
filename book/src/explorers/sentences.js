// One of the given sentences, or one of the reader's own, which the live model reads.
"use strict";

(() => {
    if (explorers.sentences) {
        return; // The page for printing includes this more than once.
    }
    const { el, choice, gpt2 } = explorers;
    const followers = [];

    /**
     * Choose one of `texts`, or write another. `choose` gets what belongs to it: one of
     * `given`, or the model's answer when it is asked `what` about the reader's text.
     */
    function sentences({ label, texts, given, what, choose }) {
        const says = el("small");
        const field = el("input", { type: "text", maxlength: 400, spellcheck: "false", oninput: readOwn });
        const own = el("label", { class: "explorer-own", hidden: true }, "Your own ", field, says);
        const choosing = choice(label, [...texts, "one of your own"], chooseNumber);
        const select = choosing.querySelector("select");
        let asked = 0;
        followers.push((text) => {
            select.selectedIndex = texts.length;
            field.value = text;
            chooseNumber(texts.length);
        });
        return el("div", {}, choosing, own);

        function chooseNumber(number) {
            asked++; // An answer that is still to come is too late.
            own.hidden = number < texts.length;
            if (own.hidden) {
                choose(given[number]);
            } else {
                field.value ||= texts[0];
                readOwn();
            }
        }

        async function readOwn() {
            const mine = ++asked;
            try {
                const sentence = await gpt2.ask(what, field.value);
                if (mine === asked) {
                    choose(sentence);
                }
            } catch {
                says.textContent = "The model could not be loaded.";
            }
        }
    }

    /** Let all explorers of the page show this text. */
    function tell(text) {
        followers.forEach((follow) => follow(text));
    }

    Object.assign(explorers, { sentences, tell });
})();
