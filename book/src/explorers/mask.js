// The causal mask for any number of new and past tokens.
"use strict";

explorers.define("mask", (app, data) => {
    const { el, slider, arrows, tabTo } = explorers;
    const state = { length: 4, past: 0, cell: 0 };
    let cells = [];

    const head = el("thead");
    const body = el("tbody");
    const call = el("code");
    const shape = el("span");
    const table = el(
        "table", { class: "mask-grid", role: "grid" },
        el("caption", {}, call, ", shape ", shape), head, body,
    );
    const key = el("p", {}, "Each row is a new token that looks, each column a position that it looks at.");
    const says = el("p", { class: "explorer-says", role: "status" });
    app.append(
        el(
            "div", { class: "explorer-sliders" },
            slider({
                label: "New tokens (sequence_length)",
                min: 1, max: data.longest_sequence, value: state.length,
                change: (value) => resize(value, state.past),
            }).root,
            slider({
                label: "Past tokens (num_tokens)",
                min: 0, max: data.most_past_tokens, value: state.past,
                change: (value) => resize(state.length, value),
            }).root,
        ),
        says, table, key,
    );
    arrowsOverGrid();
    resize(state.length, state.past);

    function columns() {
        return state.past + state.length;
    }

    function resize(length, past) {
        Object.assign(state, { length, past, cell: 0 });
        const zeros = data.zeros[`${length},${past}`];
        call.textContent = `causal_mask(${length}, ${past})`;
        shape.textContent = `[${length}, ${columns()}]`;
        const places = Array.from({ length: columns() }, (_, j) => j);
        const groups = el("tr", { class: "groups" }, el("td"));
        if (past > 0) {
            groups.append(el("th", { colspan: past, scope: "colgroup" }, "past"));
        }
        groups.append(el("th", { colspan: length, scope: "colgroup" }, "new"));
        head.replaceChildren(
            groups,
            el("tr", {}, el("td"), ...places.map((j) => el("th", { scope: "col" }, j))),
        );
        cells = [];
        body.replaceChildren(...zeros.map((count, i) => el(
            "tr", {},
            el("th", { scope: "row" }, past + i),
            ...places.map((j) => {
                const cell = el(
                    "td", { class: j < count ? "sees" : "masked", role: "gridcell" },
                    j < count ? "0" : "−∞",
                );
                const number = cells.push(cell) - 1;
                cell.addEventListener("click", () => {
                    choose(number);
                    cell.focus();
                });
                return cell;
            }),
        )));
        tabTo(cells, 0);
        const hidden = zeros.reduce((sum, count) => sum + columns() - count, 0);
        says.textContent = length === 1
            ? `One new token may look at everything before it and at itself: nothing of ${columns()} is masked.`
            : `${hidden} of ${length * columns()} scores are masked. Choose a cell to see why.`;
    }

    function choose(number) {
        const row = Math.floor(number / columns());
        const column = number % columns();
        const position = state.past + row;
        cells[state.cell]?.classList.remove("chosen");
        state.cell = number;
        cells[number].classList.add("chosen");
        tabTo(cells, number);
        const sees = column < data.zeros[`${state.length},${state.past}`][row];
        const whose = column === position
            ? "itself" : `position ${column}, which is ${column < position ? "earlier" : "later"}`;
        says.textContent =
            `New token ${row + 1} is at position ${position} and looks at ${whose}: ` +
            (sees ? "0 is added, so the score stays." : "−∞ is added, so the weight becomes 0.");
    }

    function arrowsOverGrid() {
        body.addEventListener("keydown", (event) => {
            // Left and right stay in their row; up and down are `arrows`'s.
            const column = state.cell % columns();
            const atEdge = (event.key === "ArrowLeft" && column === 0) ||
                (event.key === "ArrowRight" && column === columns() - 1);
            if (atEdge) {
                event.preventDefault();
                event.stopImmediatePropagation();
            }
        });
        arrows(body, () => cells, () => state.cell, columns, choose);
    }
});
