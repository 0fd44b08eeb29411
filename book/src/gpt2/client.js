// What the explorers know of the model: `explorers.gpt2.ask(what, text)` is a promise of
// what `Demo` in worker.js answers. The first question loads the model.
"use strict";

(() => {
    if (explorers.gpt2) {
        return; // The page for printing includes this more than once.
    }
    const SCRIPTS = ["model", "tokenizer", "worker", "demo.tokenizer", "demo.weights"];
    const waiting = new Map(); // by the question's number: who gets the answer
    let questions = 0;
    let started = null;

    /** Load the scripts, and start the worker. */
    async function start() {
        await Promise.all(SCRIPTS.map((name) => explorers.load(`gpt2/${name}.js`)));
        const { tokenizer, weights } = explorers.data;
        explorers.gpt2.tokenizer = new Tokenizer(tokenizer);
        const worker = startWorker();
        worker.onmessage = ({ data: { number, answer } }) => {
            waiting.get(number).resolve(answer);
            waiting.delete(number);
        };
        worker.onerror = (error) => {
            waiting.forEach(({ reject }) => reject(error));
            waiting.clear();
        };
        worker.postMessage({ tokenizer, weights });
        return worker;
    }

    async function ask(what, ...about) {
        started ??= start();
        const worker = await started;
        return new Promise((resolve, reject) => {
            const number = questions++;
            waiting.set(number, { resolve, reject });
            worker.postMessage({ number, what, about });
        });
    }

    explorers.gpt2 = { ask, tokenizer: null };
})();
