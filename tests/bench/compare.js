#!/usr/bin/env node
// compare.js - Tidepool beside ONNX Runtime, in turn, with as many threads each.
//
//   node tests/bench/compare.js THREADS FILE.onnx... [--rounds 8] [--runs 10] [--size HxW] [--json]
//
// A round is RUNS runs of the one, a pause in which its threads fall asleep (ONNX Runtime's spin for
// a while after a run, on the processors that the other needs), and RUNS runs of the other. The first
// run of each turn brings weights and code back into the caches and is not counted. So both see the
// same machine, also where its speed changes from second to second. Ratios are Tidepool / ONNX
// Runtime: below 1, Tidepool is faster.
//
// TIDEPOOL: the binary (build/tidepool). NODE_PATH or ORT: where onnxruntime-node is.
'use strict';
const { spawn } = require('child_process');
const os = require('os');
const path = require('path');
const readline = require('readline');
const { load } = require('./ort.js');

const PAUSE_MS = 30;
const WARM_UP_RUNS = 3;
const TIDEPOOL = process.env.TIDEPOOL || 'build/tidepool';
const USAGE = 'usage: node tests/bench/compare.js THREADS FILE.onnx... [--rounds N] [--runs N] [--size HxW] [--json]';

const pause = () => new Promise((done) => setTimeout(done, PAUSE_MS));

class UsageError extends Error {}

function count(text, what) {
  if (!/^[1-9][0-9]{0,5}$/.test(text ?? '')) throw new UsageError(`${what}: '${text}' is not a whole number from 1`);
  return Number(text);
}

function readArguments(argv) {
  const ask = { rounds: 8, runs: 10, size: null, json: false, files: [] };
  const words = [];
  for (let i = 0; i < argv.length; i++) {
    const [flag, inline] = argv[i].startsWith('--') ? argv[i].split('=', 2) : [''];
    const value = () => inline ?? argv[++i];
    if (flag === '--json') ask.json = true;
    else if (flag === '--rounds' || flag === '--runs') ask[flag.slice(2)] = count(value(), flag);
    else if (flag === '--size') ask.size = value();
    else if (flag) throw new UsageError(`unknown flag ${flag}`);
    else words.push(argv[i]);
  }
  if (words.length < 2) throw new UsageError('an argument is missing');
  ask.threads = count(words[0], 'THREADS');
  if (ask.threads > os.availableParallelism())
    throw new UsageError(`${ask.threads} threads: this machine has ${os.availableParallelism()}`);
  ask.files = words.slice(1);
  return ask;
}

// ---- the two runners: shape (in the model's own layout), run(n) -> milliseconds of n runs, close()

async function openTidepool(file, ask) {
  const size = ask.size ? ['--size', ask.size] : [];
  const flags = ['bench', file, '--threads', String(ask.threads), '--turns', ...size];
  const child = spawn(TIDEPOOL, flags, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  child.stdin.on('error', () => {});               // it has ended: the next line tells
  const ended = new Promise((done) => {
    child.on('error', (error) => done(`${TIDEPOOL}: ${error.code}; build it with make, or say where it is: TIDEPOOL=...`));
    child.on('close', (status) => done(said.trim() || `${TIDEPOOL} ended with status ${status}`));
  });
  const line = async () => {
    const next = await lines.next();
    if (next.done) throw new Error(await ended);
    return next.value;
  };
  const ready = await line();
  return {
    shape: JSON.parse(ready.slice('ready '.length)),
    run: async (n) => {
      child.stdin.write(`${n}\n`);
      return (await line()).split(' ').map(Number);
    },
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

// The same numbers as Tidepool's bench takes.
function randomFloats(n) {
  let state = 2463534242;
  return Float32Array.from({ length: n }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 8) / 8388608 - 1;
  });
}

async function openOrt(ort, file, ask, shape) {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: ask.threads, interOpNumThreads: 1, graphOptimizationLevel: 'all',
  });
  const data = randomFloats(shape.reduce((a, b) => a * b, 1));
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, shape) };
  return {
    run: async (n) => {
      const times = [];
      for (let i = 0; i < n; i++) {
        const start = performance.now();
        await session.run(feeds);
        times.push(performance.now() - start);
      }
      return times;
    },
    close: () => session.release(),
  };
}

// ---- measuring --------------------------------------------------------------------------------

function summarize(times) {
  const sorted = Float64Array.from(times).sort();
  const n = sorted.length;
  return { median_ms: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2, min_ms: sorted[0] };
}

async function takeTurns(runners, ask) {
  const times = runners.map(() => []);
  for (const runner of runners) {
    await runner.run(WARM_UP_RUNS);
    await pause();
  }
  for (let round = 0; round < ask.rounds; round++) {
    for (const [i, runner] of runners.entries()) {
      times[i].push(...(await runner.run(1 + ask.runs)).slice(1));
      await pause();
    }
  }
  return times.map(summarize);
}

async function compare(ort, file, ask) {
  const open = [];
  try {
    const tidepool = await openTidepool(file, ask);
    open.push(tidepool);
    const onnxruntime = await openOrt(ort, file, ask, tidepool.shape);
    open.push(onnxruntime);
    const [ours, theirs] = await takeTurns(open, ask);
    return {
      file, network: path.basename(file, '.onnx'), input: tidepool.shape, runs: ask.rounds * ask.runs,
      tidepool: ours, onnxruntime: theirs,
      ratio_of_medians: ours.median_ms / theirs.median_ms, ratio_of_minima: ours.min_ms / theirs.min_ms,
    };
  } finally {
    for (const runner of open) await runner.close();
  }
}

// ---- telling ----------------------------------------------------------------------------------

function ortVersion(ort) {
  return ort.env?.versions?.node ?? ort.env?.versions?.common ?? '?';
}

function row(network, cells) {
  return network.padEnd(24) + cells.map((cell, i) => cell.padStart(i < 4 ? 12 : 10)).join('');
}

const ms = (x) => x.toFixed(x < 10 ? 3 : 2);

function printHead(ask, version) {
  console.log(`${ask.threads} thread${ask.threads > 1 ? 's' : ''} each, ${ask.rounds} rounds of ${ask.runs} runs in turn; ` +
    `ratio: Tidepool / ORT (ONNX Runtime ${version})\n`);
  console.log(row('', ['Tidepool', 'Tidepool', 'ORT', 'ORT', 'ratio of', 'ratio of']));
  console.log(row('network', ['median ms', 'min ms', 'median ms', 'min ms', 'medians', 'minima']));
}

function printRow(r) {
  console.log(row(r.network, [
    ...[r.tidepool.median_ms, r.tidepool.min_ms, r.onnxruntime.median_ms, r.onnxruntime.min_ms].map(ms),
    r.ratio_of_medians.toFixed(3), r.ratio_of_minima.toFixed(3),
  ]));
}

function geometricMean(values) {
  return Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);
}

async function main() {
  const ask = readArguments(process.argv.slice(2));
  const ort = load();
  const version = ortVersion(ort);
  const results = [];
  let failed = 0;
  if (!ask.json) printHead(ask, version);
  for (const file of ask.files) {
    try {
      results.push(await compare(ort, file, ask));
      if (!ask.json) printRow(results.at(-1));
    } catch (error) {
      failed++;
      console.error(`${file}: ${error.message}`);
    }
  }
  const means = {
    ratio_of_medians: geometricMean(results.map((r) => r.ratio_of_medians)),
    ratio_of_minima: geometricMean(results.map((r) => r.ratio_of_minima)),
  };
  if (ask.json) {
    console.log(JSON.stringify({ threads: ask.threads, onnxruntime: version, networks: results, geometric_means: means }));
  } else if (results.length > 1) {
    console.log(row('geometric mean', ['', '', '', '', means.ratio_of_medians.toFixed(3), means.ratio_of_minima.toFixed(3)]));
  }
  process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
  console.error(error instanceof UsageError ? `compare.js: ${error.message}\n${USAGE}` : error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
