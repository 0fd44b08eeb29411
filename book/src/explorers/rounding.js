// A row of weights in few bits: its scale, the whole numbers, and what is lost.
"use strict";

explorers.define("rounding", (app, data) => {
    const { el, choice, slider } = explorers;
    const OWN = 0; // of the choices of a scale
    const largestAt = data.weights.reduce(
        (best, weight, i) => (Math.abs(weight) > Math.abs(data.weights[best]) ? i : best), 0,
    );

    const state = { bits: 8, times: 1, whose: OWN };

    const says = el("p", { class: "explorer-says", role: "status" });
    const drawing = el("div");
    const rows = el("tbody");
    app.append(
        el(
            "div", { class: "explorer-sliders" },
            slider({
                label: "Bits", min: 2, max: 8, value: state.bits,
                change: (bits) => set({ bits }),
            }).root,
            slider({
                label: "Largest weight", min: 1, max: 20, value: state.times,
                says: (times) => (times === 1 ? "as it is" : `× ${times}`),
                change: (times) => set({ times }),
            }).root,
        ),
        choice("Scale of", ["this row", "the whole matrix"], (whose) => set({ whose })),
        says, drawing,
        el(
            "table", { class: "rounding", "aria-label": "The first weights" },
            el("thead", {}, el("tr", {}, ...["weight", "÷ scale", "rounded", "× scale", "off by"].map(
                (name) => el("th", { scope: "col" }, name),
            ))),
            rows,
        ),
    );
    set({});

    function set(change) {
        Object.assign(state, change);
        const most = 2 ** (state.bits - 1) - 1;
        const weights = data.weights.map((weight, i) => (i === largestAt ? weight * state.times : weight));
        const { whole, scale } = quantize(weights, most);
        const back = whole.map((number) => number * scale);
        const errors = back.map((number, i) => Math.abs(number - weights[i]));
        const used = new Set(whole).size;
        says.textContent = `The scale is ${written(scale, 5)}, and ${used} of ${2 * most + 1} steps are used. `
            + `At most, a weight is off by ${written(Math.max(...errors))}. `
            + `The output ${written(dot(weights))} becomes ${written(dot(back))}.`;
        drawing.innerHTML = levels(weights, whole, scale, most);
        rows.replaceChildren(...weights.slice(0, data.shown).map((weight, i) => el(
            "tr", { class: i === largestAt && "largest" },
            el("th", { scope: "row" }, written(weight)), el("td", {}, written(weight / scale, 2)),
            el("td", {}, written(whole[i], 0)), el("td", {}, written(back[i])),
            el("td", {}, written(back[i] - weight)),
        )));
    }

    /** The largest number of the row, or of the matrix, becomes the largest whole one. */
    function quantize(weights, most) {
        const ofRow = Math.max(...weights.map(Math.abs));
        const scale = (state.whose === OWN ? ofRow : Math.max(ofRow, data.largest)) / most;
        return { whole: weights.map((weight) => Math.round(weight / scale)), scale };
    }

    function dot(weights) {
        return weights.reduce((sum, weight, i) => sum + weight * data.input[i], 0);
    }

    function written(number, digits = 4) {
        const rounded = Number(number.toFixed(digits)) || 0; // not -0
        return rounded.toFixed(digits).replace("-", "−");
    }

    /** Every weight above, every step below, and lines between, as in rounding.py. */
    function levels(weights, whole, scale, most) {
        const x = (steps) => (170 + 165 * steps / most).toFixed(1);
        const moves = weights.map((weight, i) => `M${x(weight / scale)} 2V16L${x(whole[i])} 36`);
        const steps = Array.from({ length: 2 * most + 1 }, (_, i) => `M${x(i - most)} 38V50`);
        return '<svg class="levels" viewBox="0 0 340 52" aria-hidden="true">'
            + `<path d="${moves.join("")}"/><path class="steps" d="${steps.join("")}"/></svg>`;
    }
});
