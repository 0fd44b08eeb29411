// The demo model in a worker, so that the page never waits for it.
"use strict";

/** The demo model, and what a page can ask of it: a text, and IDs written after it. */
class Demo {
    constructor(tokenizer, { config, digits, tensors }) {
        this.tokenizer = new Tokenizer(tokenizer);
        this.model = new GPT2(config, Object.fromEntries(
            tensors.map(([name, scale, text]) => [name, readNumbers(text, digits, scale)]),
        ));
    }

    /** What comes next, and for how many tokens more there is room. */
    next(text, written) {
        const ids = this.read(text, written);
        const logits = this.model.logits(ids.length - 1);
        return {
            ids,
            text: this.tokenizer.decode(ids),
            room: this.model.config.n_positions - ids.length,
            logits,
            shares: softmax(logits),
        };
    }

    /** Where every token looks, as the explorer of step 07 has it. */
    attention(text) {
        const tokens = this.read(text).map((id) => this.tokenizer.piece(id));
        const heads = Array.from({ length: this.model.config.n_head }, (_, head) => head);
        const weights = this.model.h.map(({ attn }) => heads.map(
            (head) => attn.weights.map((token) => Array.from(token[head], perMille)),
        ));
        return { tokens, weights };
    }

    /** One head's way from the query of a token to what it hears, as `chain.js` has it. */
    chain(text, block = 0, head = 0, at = this.read(text).length - 1) {
        const tokens = this.read(text).map((id) => this.tokenizer.piece(id));
        const { n_embd, n_head } = this.model.config;
        const { queries, keys, values, weights } = this.model.h[block].attn;
        const length = n_embd / n_head;
        const ofHead = (vector) => Array.from(row(vector, head, length));
        const query = queries[at];
        const scores = Array.from(this.model.scores(query, keys, head * length, length));
        const shares = tokens.map((_, i) => weights[at][head][i] ?? 0);
        const mix = ofHead(query).map((_, j) => values.reduce(
            (sum, value, i) => sum + shares[i] * value[head * length + j], 0,
        ));
        return {
            text, at, tokens, query: ofHead(query), keys: keys.map(ofHead), values: values.map(ofHead),
            products: scores.map((score) => score * Math.sqrt(length)),
            scores, weights: shares, mix,
        };
    }

    /** A text that is written on, and what a head keeps meanwhile, as `cache.js` has it. */
    cache(text, count = 6, block = 2, head = 2) {
        const { n_embd, n_head, n_positions } = this.model.config;
        const ids = this.read(text).slice(count - n_positions);
        const read = [ids.length, ...Array(count - 1).fill(1)];
        for (let i = 0; i < count; i++) {
            this.model.read(ids);
            ids.push(...likeliest(this.model.logits(ids.length - 1), 1));
        }
        const { keys, values } = this.model.h[block].attn;
        const ofHead = (vector) => Array.from(row(vector, head, n_embd / n_head));
        return {
            text, read, tokens: ids.map((id) => this.tokenizer.piece(id)),
            keys: keys.map(ofHead), values: values.map(ofHead),
        };
    }

    /** A text that is written on with prompt lookup, pass by pass, as `speculation.js` has it. */
    lookup(text, count = 19, most = 4) {
        const { n_positions, eos_token_id } = this.model.config;
        const piece = (id) => this.tokenizer.piece(id);
        const ids = this.read(text).slice(count - n_positions);
        const end = ids.length + count;
        const passes = [];
        let pause = 0; // how long the last one was to be
        let left = 0;
        let cached = 0;
        while (ids.length < end && !(passes.length && ids.at(-1) === eos_token_id)) {
            const room = Math.min(most, end - ids.length - 1);
            const found = standsEarlier(ids);
            const after = found.length ? found[0] + found[1] : ids.length;
            const proposal = left > 0 ? [] : ids.slice(after, after + room);
            this.model.read([...ids, ...proposal]);
            const says = [ids.at(-1), ...proposal].map(
                (_, i) => likeliest(this.model.logits(ids.length - 1 + i), 1)[0],
            );
            const last = says.findIndex((id, i) => id !== proposal[i] || id === eos_token_id);
            const chosen = says.slice(0, last + 1);
            passes.push({
                length: ids.length, cached, found, pause: left > 0 && room > 0 && found.length > 0,
                proposal: proposal.map(piece), says: says.map(piece),
                kept: chosen.length, rolled_back: ids.length + last,
            });
            ids.push(...chosen);
            cached = ids.length - 1;
            if (proposal.length) {
                pause = last > 0 ? 0 : Math.min(2 * pause + 1, 15);
                left = pause;
            } else {
                left = Math.max(0, left - 1);
            }
        }
        return { text, tokens: ids.map(piece), passes };
    }

    /** What the stream says, before and after every block, as step 08's explorer has it. */
    lens(text) {
        const ids = this.read(text);
        const stages = this.model.streams[0].map((_, blocks) => ids.map((_, position) => {
            const shares = softmax(this.model.logits(position, blocks));
            const top = likeliest(shares, 5).flatMap(
                (id) => [this.tokenizer.piece(id), perMille(shares[id])],
            );
            const next = ids[position + 1];
            return next === undefined ? { top } : { top, next: standing(shares, next) };
        }));
        return { tokens: ids.map((id) => this.tokenizer.piece(id)), stages };
    }

    /** Have the model read the end of a text; an empty one begins as every story does. */
    read(text, written = []) {
        const ids = [...this.tokenizer.encode(text), ...written];
        const { n_positions, bos_token_id } = this.model.config;
        this.model.read(ids.length ? ids.slice(-n_positions) : [bos_token_id]);
        return [...this.model.ids];
    }
}

/** A share in thousandths, which is what the explorers have. */
function perMille(share) {
    return Math.floor(share * 1000 + 0.5);
}

/** The IDs of the likeliest tokens. */
function likeliest(shares, count) {
    return Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]).slice(0, count);
}

/** How many of the last tokens, two or one, stand earlier, and where first. */
function standsEarlier(ids) {
    for (const size of [2, 1]) {
        const end = ids.slice(-size);
        for (let start = 0; start < ids.length - size; start++) {
            if (end.every((id, i) => ids[start + i] === id)) {
                return [size, start];
            }
        }
    }
    return [];
}

/** How likely a token is, and how many are not less likely. */
function standing(shares, id) {
    return [perMille(shares[id]), 1 + shares.filter((share) => share > shares[id]).length];
}

/** Weights as `weights.py` writes them: three digits each, the largest first. */
function readNumbers(text, digits, scale) {
    const worth = new Uint8Array(128);
    for (let value = 0; value < digits.length; value++) {
        worth[digits.charCodeAt(value)] = value;
    }
    const base = digits.length;
    const zero = base ** 3 / 2;
    const numbers = new Float32Array(text.length / 3);
    for (let i = 0; i < numbers.length; i++) {
        let number = 0;
        for (let j = 3 * i; j < 3 * i + 3; j++) {
            number = number * base + worth[text.charCodeAt(j)];
        }
        numbers[i] = (number - zero) * scale;
    }
    return numbers;
}

/** The first message brings the model, every other one a question. */
function answerMessages() {
    let demo = null;
    self.onmessage = ({ data }) => {
        if (demo === null) {
            demo = new Demo(data.tokenizer, data.weights);
        } else {
            const { number, what, about } = data;
            self.postMessage({ number, answer: demo[what](...about) });
        }
    };
}

/** A worker starts from no file of a folder, but from text: that of what it needs. */
function startWorker() {
    const parts = [
        row, add, linear, layerNorm, gelu, softmax, GPT2, Tokenizer,
        Demo, perMille, likeliest, standsEarlier, standing, readNumbers, answerMessages,
    ];
    const source = `"use strict";\n${parts.join("\n")}\nanswerMessages();\n`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(address);
    URL.revokeObjectURL(address);
    return worker;
}
