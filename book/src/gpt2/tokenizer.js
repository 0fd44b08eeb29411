// GPT-2's byte-level BPE: a text as token IDs, and back.
"use strict";

class Tokenizer {
    /** `vocab` holds the tokens by ID, `merges` the pairs in the order of their ranks. */
    constructor({ vocab, merges }) {
        this.vocab = vocab;
        this.ids = new Map(vocab.map((token, id) => [token, id]));
        this.ranks = new Map(merges.map((pair, rank) => [pair, rank]));
        this.letters = Tokenizer.byteLetters();
        this.bytes = new Map(this.letters.map((letter, byte) => [letter, byte]));
        this.end = "<|endoftext|>";
    }

    /** The letter that stands for each byte: its own where it can be printed. */
    static byteLetters() {
        let others = 0;
        return Array.from({ length: 256 }, (_, byte) => {
            const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
            return String.fromCodePoint(printable ? byte : 256 + others++);
        });
    }

    /** GPT-2's words: each goes with the space before it. \s is not White_Space. */
    words(text) {
        const pattern = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
        return text.split(/(<\|endoftext\|>)/).flatMap(
            (part) => (part === this.end ? [part] : part.match(pattern) ?? []),
        );
    }

    /** The IDs of a text. */
    encode(text) {
        return this.words(text).flatMap((word) => this.stages(word).at(-1))
            .map((token) => this.ids.get(token));
    }

    /** A word's bytes, as letters. */
    spell(word) {
        return Array.from(new TextEncoder().encode(word), (byte) => this.letters[byte]);
    }

    /** A word as bytes, after each merge, and at last as tokens. */
    stages(word) {
        if (word === this.end) {
            return [[word]];
        }
        const stages = [this.spell(word)];
        for (;;) {
            const merged = this.merge(stages.at(-1));
            if (merged === null) {
                return stages;
            }
            stages.push(merged);
        }
    }

    /** Join that pair which was learned first, wherever it stands; null if there is none. */
    merge(tokens) {
        const ranks = tokens.slice(1).map(
            (token, i) => this.ranks.get(`${tokens[i]} ${token}`) ?? Infinity,
        );
        const first = ranks.reduce((a, b) => Math.min(a, b), Infinity);
        if (first === Infinity) {
            return null;
        }
        const merged = [];
        for (let i = 0; i < tokens.length; i++) {
            merged.push(ranks[i] === first ? tokens[i] + tokens[++i] : tokens[i]);
        }
        return merged;
    }

    /** The text of tokens; bytes that are no character become �. */
    decode(ids) {
        const bytes = ids.flatMap((id) => this.bytesOf(id));
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
    }

    bytesOf(id) {
        const token = this.vocab[id];
        return token === this.end
            ? [...new TextEncoder().encode(token)]
            : Array.from(token, (letter) => this.bytes.get(letter));
    }

    /** The text of one token, for reading; bytes that are no character as <E2>. */
    piece(id) {
        const text = this.decode([id]);
        const hex = (byte) => `<${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
        return text.includes("�") ? this.bytesOf(id).map(hex).join("") : text;
    }
}
