// ort.js - finds onnxruntime-node: in NODE_PATH, or where the environment's ORT says (the package's
// folder, or the node_modules that holds it).
'use strict';
const path = require('path');

const HOW = `onnxruntime-node is not there; in a folder of your own:
  npm install --ignore-scripts onnxruntime-node    (the package carries the library for the CPU)
and say where: NODE_PATH=THAT/FOLDER/node_modules, or ORT=THAT/FOLDER/node_modules/onnxruntime-node`;

function load() {
  const places = process.env.ORT
    ? [path.resolve(process.env.ORT), path.resolve(process.env.ORT, 'onnxruntime-node')]
    : ['onnxruntime-node'];
  for (const place of places) {
    let found;
    try {
      found = require.resolve(place);
    } catch {
      continue;
    }
    return require(found);           // what is there and broken says so itself
  }
  throw new Error(HOW);
}

module.exports = { load };

// By itself it says whether it is there: that is what `make bench` asks.
if (require.main === module) {
  try {
    load();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
