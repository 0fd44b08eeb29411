// GPT-2: what steps 03 to 11 build, and step 15's cache, in plain JavaScript.
//
// Names are those of the published weights: wte, wpe, h, ln_1, c_attn, … A vector is a
// Float32Array, and so is a matrix, row after row. One token is read at a time.
"use strict";

/** A row of a matrix that has `length` columns. */
function row(matrix, number, length) {
    return matrix.subarray(number * length, (number + 1) * length);
}

function add(a, b) {
    return a.map((value, i) => value + b[i]);
}

/** x W + b, where W has the shape [in, out] as in GPT-2's Conv1D. */
function linear(x, { weight, bias }) {
    const y = bias.slice();
    const n = y.length;
    // Four rows of W at a time: y is read and written a quarter as often.
    for (let i = 0; i < x.length; i += 4) {
        const [a, b, c, d] = x.subarray(i, i + 4);
        for (let j = 0, at = i * n; j < n; j++, at++) {
            y[j] += a * weight[at] + b * weight[at + n]
                + c * weight[at + 2 * n] + d * weight[at + 3 * n];
        }
    }
    return y;
}

/** Mean 0 and variance 1, then the learned factors and offsets. */
function layerNorm(x, { weight, bias }, epsilon) {
    let mean = 0;
    for (const value of x) {
        mean += value / x.length;
    }
    let variance = 0;
    for (const value of x) {
        variance += (value - mean) ** 2 / x.length;
    }
    const scale = 1 / Math.sqrt(variance + epsilon);
    return x.map((value, i) => (value - mean) * scale * weight[i] + bias[i]);
}

/** GELU, in the form with tanh that GPT-2 uses. */
function gelu(x) {
    return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** Shares that sum to 1. */
function softmax(scores) {
    const most = scores.reduce((a, b) => Math.max(a, b));
    const shares = scores.map((score) => Math.exp(score - most));
    const sum = shares.reduce((a, b) => a + b);
    return shares.map((share) => share / sum);
}

class GPT2 {
    /** `tensors` holds the weights by name, such as "h.0.attn.c_attn.weight". */
    constructor(config, tensors) {
        const part = (name) => ({
            weight: tensors[`${name}.weight`], bias: tensors[`${name}.bias`],
        });
        this.config = config;
        this.wte = tensors["wte.weight"];
        this.wpe = tensors["wpe.weight"];
        this.h = Array.from({ length: config.n_layer }, (_, i) => ({
            ln_1: part(`h.${i}.ln_1`),
            attn: {
                c_attn: part(`h.${i}.attn.c_attn`),
                c_proj: part(`h.${i}.attn.c_proj`),
                // What the block has seen, one entry a token: this is the KV cache …
                keys: [],
                values: [],
                // … and this is for the reader to look at.
                queries: [],
                weights: [],
            },
            ln_2: part(`h.${i}.ln_2`),
            mlp: { c_fc: part(`h.${i}.mlp.c_fc`), c_proj: part(`h.${i}.mlp.c_proj`) },
        }));
        this.ln_f = part("ln_f");
        this.ids = []; // the tokens read so far
        this.streams = []; // of each: the residual stream before and after every block
    }

    /** Read these tokens and no others. What was read before, and begins alike, stays. */
    read(ids) {
        let same = 0;
        while (same < ids.length && ids[same] === this.ids[same]) {
            same++;
        }
        this.forgetFrom(same);
        ids.slice(same).forEach((id) => this.readOne(id));
    }

    forgetFrom(position) {
        this.ids.length = position;
        this.streams.length = position;
        for (const { attn } of this.h) {
            for (const kept of [attn.keys, attn.values, attn.queries, attn.weights]) {
                kept.length = position;
            }
        }
    }

    readOne(id) {
        const { n_embd } = this.config;
        let x = add(row(this.wte, id, n_embd), row(this.wpe, this.ids.length, n_embd));
        const stream = [x];
        for (const { ln_1, attn, ln_2, mlp } of this.h) {
            x = add(x, this.attention(this.norm(x, ln_1), attn));
            x = add(x, this.mlp(this.norm(x, ln_2), mlp));
            stream.push(x);
        }
        this.ids.push(id);
        this.streams.push(stream);
    }

    norm(x, ln) {
        return layerNorm(x, ln, this.config.layer_norm_epsilon);
    }

    mlp(x, { c_fc, c_proj }) {
        return linear(linear(x, c_fc).map(gelu), c_proj);
    }

    /** No causal mask: the keys of later tokens are not there yet. */
    attention(x, attn) {
        const { n_embd, n_head } = this.config;
        const qkv = linear(x, attn.c_attn);
        const [query, key, value] = [0, 1, 2].map((i) => row(qkv, i, n_embd));
        attn.queries.push(query);
        attn.keys.push(key);
        attn.values.push(value);

        const length = n_embd / n_head;
        const mixed = new Float32Array(n_embd);
        const weights = [];
        for (let head = 0; head < n_head; head++) {
            const from = head * length;
            const shares = softmax(this.scores(query, attn.keys, from, length));
            shares.forEach((share, i) => {
                const seen = attn.values[i];
                for (let j = from; j < from + length; j++) {
                    mixed[j] += share * seen[j];
                }
            });
            weights.push(shares);
        }
        attn.weights.push(weights);
        return linear(mixed, attn.c_proj);
    }

    /** The query on every key, within one head. */
    scores(query, keys, from, length) {
        return Float32Array.from(keys, (key) => {
            let sum = 0;
            for (let j = from; j < from + length; j++) {
                sum += query[j] * key[j];
            }
            return sum / Math.sqrt(length);
        });
    }

    /** The logits after a token, by what the stream says after so many blocks. */
    logits(position, blocks = this.config.n_layer) {
        const { n_embd, vocab_size } = this.config;
        const x = this.norm(this.streams[position][blocks], this.ln_f);
        const logits = new Float32Array(vocab_size);
        let at = 0;
        for (let id = 0; id < vocab_size; id++) {
            let sum = 0;
            for (let j = 0; j < n_embd; j++) {
                sum += x[j] * this.wte[at++];
            }
            logits[id] = sum;
        }
        return logits;
    }
}
