// Prompt lookup, pass by pass: looked up, checked by the model, kept or taken back.
"use strict";

explorers.define("speculation", (app, data) => {
    const { el, shown, sentences, stepper } = explorers;
    const quoted = (token) => `“${shown(token)}”`;
    const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

    const written = el("p", { class: "written" });
    const says = el("p", { class: "explorer-says", role: "status" });
    const rows = el("tbody");
    const place = el("div");
    app.append(
        sentences({
            label: "Text", texts: data.texts.map(({ text }) => text), given: data.texts,
            what: "lookup", choose,
        }),
        place, says, written,
        el(
            "table", { class: "checked", "aria-label": "What the pass reads" },
            el("thead", {}, el("tr", {}, ...["read", "proposed", "model says", ""].map(
                (name) => (name ? el("th", { scope: "col" }, name) : el("td")),
            ))),
            rows,
        ),
    );
    choose(data.texts[0]);

    /** Walk through a text: a pass with a proposal takes three steps, another one. */
    function choose(text) {
        const steps = text.passes.flatMap((pass, number) => (
            pass.proposal.length
                ? [[number, "look up"], [number, "check"], [number, "keep"]] : [[number, "alone"]]
        ));
        place.replaceChildren(stepper(steps.length, (step) => show(text, ...steps[step])));
        show(text, ...steps[0]);
    }

    function show(text, number, phase) {
        const pass = text.passes[number];
        const tokens = text.tokens.slice(0, pass.length);
        says.textContent = `Pass ${number + 1}. ${told(text, number, phase)}`;
        written.replaceChildren(...tokens.map((token, i) => el("span", { class: role(pass, i) }, token)));
        if (phase === "keep" || phase === "alone") {
            written.append(...pass.says.slice(0, pass.kept).map(
                (token, i) => el("span", { class: i < pass.kept - 1 ? "agrees" : "chosen" }, token),
            ));
        }
        rows.replaceChildren(...[tokens.at(-1), ...pass.proposal].map((token, i) => el(
            "tr", { class: phase === "keep" && i >= pass.kept && "out" },
            el("th", { scope: "row" }, shown(token)),
            el("td", {}, i < pass.proposal.length ? shown(pass.proposal[i]) : ""),
            el("td", {}, phase === "look up" ? "" : shown(pass.says[i])),
            el("td", {}, phase === "keep" ? verdict(pass, i) : ""),
        )));
    }

    /** Whether a token of the text was looked for, was found, or follows what was found. */
    function role({ length, found: [size, start], proposal }, i) {
        if (!proposal.length) {
            return false;
        }
        const after = start + size;
        if (i >= after && i < after + proposal.length) {
            return "proposed";
        }
        return i >= length - size || (i >= start && i < after) ? "looked-up" : false;
    }

    function verdict({ proposal, kept }, i) {
        if (i >= kept) {
            return "thrown away";
        }
        if (i < kept - 1) {
            return "agrees";
        }
        return i === proposal.length ? "bonus" : "in its place";
    }

    function told({ tokens, passes }, number, phase) {
        const pass = passes[number];
        const { length, found, pause, proposal, kept } = pass;
        const last = quoted(tokens[length - 1]);
        const next = quoted(tokens[length + kept - 1]);
        const soFar = `So far: ${counted(length + kept - passes[0].length, "token")} in ${number + 1} ${number === 0 ? "pass" : "passes"}.`;
        if (phase === "alone") {
            const why = pause ? "A pause, as a proposal was wrong: nothing is looked up."
                : found.length ? "Only one token more is wanted: nothing is proposed."
                    : `${last} stands nowhere earlier: nothing is proposed.`;
            return `${why} The pass writes ${next}. ${soFar}`;
        }
        if (phase === "look up") {
            const ngram = tokens.slice(length - found[0], length).join("").trim();
            return `“${ngram}” stands earlier, too. What followed there is proposed: ${counted(proposal.length, "token")}.`;
        }
        if (phase === "check") {
            const unread = pass.cached === 0 ? "the prompt" : last;
            return `One pass reads ${unread} and the proposal. Of what comes after each token, the model says its own.`;
        }
        const agree = kept - 1;
        const read = length + proposal.length;
        const all = agree === proposal.length;
        const count = all ? (agree === 1 ? "It" : `All ${agree}`) : `${agree || "None"} of ${proposal.length}`;
        const outcome = `${count} ${agree > 1 ? "agree" : "agrees"}, and ${next} ${all ? "is a bonus" : "comes in its place"}.`;
        const cache = all ? `The cache keeps all ${read} tokens.`
            : `The cache is rolled back from ${read} tokens to ${pass.rolled_back}.`;
        return `${outcome} ${cache} ${soFar}`;
    }
});
