// The page of `course serve`: begin a text, and the model goes on with it.
"use strict";

const part = (id) => document.getElementById(id);
const [article, error, form, prompt, speed] =
    ["text", "error", "form", "prompt", "speed"].map(part);
const [write, stop, fresh, settings] = ["write", "stop", "new", "settings"].map(part);

let model = null;
let running = null; // The AbortController of the request under way.

// What the server says

/** The answer of the server, or an Error that says in words why there is none. */
async function ask(address, options) {
    let response;
    try {
        response = await fetch(address, options);
    } catch (failure) {
        if (failure.name === "AbortError") throw failure;
        throw new Error("The server cannot be reached. Is `course serve` still running?");
    }
    if (response.ok) return response;
    const whose = response.status < 500 ? "The server refused this" : "The server failed";
    const { message, param } = await reason(response);
    throw Object.assign(new Error(`${whose} (${response.status}): ${message}`), { param });
}

/** What an answer with an error's status says about it, and about which field. */
async function reason(response) {
    const body = await response.text();
    try {
        const { error: { message, param } } = JSON.parse(body);
        return { message, param };
    } catch {
        return { message: body || response.statusText || "it does not say why." };
    }
}

/** The data of each server-sent event, until [DONE]. */
async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        const { value, done } = await reader.read().catch((failure) => {
            if (failure.name === "AbortError") throw failure;
            return { done: true };
        });
        if (done) throw new Error("The connection was lost before the text was complete.");
        const lines = (rest + value).split(/\r?\n/);
        rest = lines.pop();
        for (const line of lines) {
            if (!line.startsWith("data:")) continue;
            const data = line.slice("data:".length).trim();
            if (data === "[DONE]") return;
            yield JSON.parse(data);
        }
    }
}

/** Ask for the name of the model. */
async function findModel(signal) {
    const { data } = await (await ask("/v1/models", { signal })).json();
    model = data[0].id;
    part("model").textContent = model;
}

/** What the API is asked for: the text so far and the settings. */
function request() {
    return {
        model,
        prompt: article.textContent,
        stream: true,
        return_token_ids: true,
        temperature: part("temperature").valueAsNumber,
        top_p: part("top-p").valueAsNumber,
        max_tokens: part("max-tokens").valueAsNumber,
        ...(part("seed").value && { seed: part("seed").valueAsNumber }),
    };
}

// Writing

/** Append what you wrote, or an empty place for what the model writes. */
function append(text, className) {
    const span = document.createElement("span");
    span.className = className;
    span.textContent = text;
    article.append(span);
    return span;
}

/** Put the reader's words behind the text so far, with a space between words. */
function appendPrompt() {
    const words = prompt.value.trim();
    if (!words) return null;
    const needsSpace = article.textContent && !/\s$/.test(article.textContent);
    const span = append(needsSpace ? ` ${words}` : words, "yours");
    prompt.value = "";
    return span;
}

/** Count tokens and the time they take, from the first on. */
function stopwatch() {
    const start = performance.now();
    let first = null;
    let count = 0;
    return (tokens) => {
        const now = performance.now();
        first ??= now;
        count += tokens;
        const rate = count > 1 ? (1000 * (count - 1)) / (now - first) : null;
        return [
            `${count} ${count === 1 ? "token" : "tokens"}`,
            rate && Number.isFinite(rate) ? `${rate.toFixed(0)} tokens per second` : "",
            `the first after ${(first - start).toFixed(0)} ms`,
        ].filter(Boolean).join(" · ");
    };
}

/** Ask for a completion: as long as is asked for, or as long as fits. */
async function complete(asked, signal) {
    const options = {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(asked),
        signal,
    };
    try {
        return await ask("/v1/completions", options);
    } catch (failure) {
        if (failure.param !== "max_tokens") throw failure;
        // Without a number, the server writes what fits.
        return complete({ ...asked, max_tokens: undefined }, signal);
    }
}

/** Let the model go on with the text; return why it stopped. */
async function generate(signal) {
    if (model === null) await findModel(signal);
    const tick = stopwatch();
    let span = null;
    let finish = null;
    for await (const event of events(await complete(request(), signal))) {
        if (event.error) throw new Error(`The server failed: ${event.error.message}`);
        const [choice] = event.choices;
        span ??= append("", "models");
        const follows = atTheEnd();
        span.textContent += choice.text;
        speed.textContent = tick(choice.token_ids?.length ?? 1);
        if (follows) toTheEnd();
        finish = choice.finish_reason ?? finish;
    }
    return finish;
}

function addToSpeed(remark) {
    speed.textContent = [speed.textContent, remark].filter(Boolean).join(" · ");
}

function toTheEnd() {
    scrollTo(0, document.body.scrollHeight);
}

function atTheEnd() {
    return innerHeight + scrollY >= document.body.scrollHeight - 40;
}

/** Show or hide what belongs to writing, and keep the focus where it was. */
function show(isRunning) {
    const focused = [write, stop].includes(document.activeElement);
    article.setAttribute("aria-busy", isRunning);
    stop.hidden = !isRunning;
    write.hidden = isRunning;
    fresh.hidden = isRunning || !article.textContent;
    part("welcome").hidden = Boolean(article.textContent);
    write.textContent = article.textContent ? "Go on" : "Write";
    form.querySelector("label").textContent = article.textContent
        ? "Words of your own, or none"
        : "The beginning of a text";
    if (focused) (isRunning ? stop : write).focus();
}

async function run() {
    if (running) return;
    const span = appendPrompt();
    if (!article.textContent) {
        prompt.focus();
        return;
    }
    const before = article.childElementCount;
    running = new AbortController();
    error.hidden = true;
    speed.textContent = "";
    show(true);
    toTheEnd();
    try {
        const finish = await generate(running.signal);
        if (finish === "stop") addToSpeed("the end");
    } catch (failure) {
        if (failure.name === "AbortError") {
            addToSpeed("stopped");
        } else {
            error.textContent = failure.message;
            error.hidden = false;
        }
    }
    if (span && article.childElementCount === before) {
        // Nothing came: what you wrote goes back, to be sent again or changed.
        prompt.value = span.textContent.trim();
        span.remove();
    }
    running = null;
    show(false);
    if (!error.hidden) toTheEnd();
}

// What the reader does

form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
});

// The browser shows what is wrong with a setting only where it can be seen.
form.addEventListener("invalid", () => { settings.open = true; }, true);

settings.addEventListener("toggle", () => { if (settings.open) toTheEnd(); });

prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!running) form.requestSubmit();
});

stop.addEventListener("click", () => running?.abort());

fresh.addEventListener("click", () => {
    article.replaceChildren();
    speed.textContent = "";
    error.hidden = true;
    show(false);
    prompt.focus();
});

for (const example of document.querySelectorAll(".example")) {
    example.addEventListener("click", () => {
        prompt.value = example.textContent;
        prompt.focus();
        form.requestSubmit();
    });
}

findModel().catch((failure) => {
    part("model").textContent = "no model";
    error.textContent = failure.message;
    error.hidden = false;
});
