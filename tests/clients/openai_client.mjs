// openai_client.mjs - OpenAI's own npm client against POST /v1/embeddings. OPENAI_MODULE is the folder of its package.
//
//     OPENAI_MODULE=.../node_modules/openai node openai_client.mjs URL MODEL IMAGE...
//
// Prints {default, float, base64, list, error}: embeddings as numbers, and how the client saw an unknown model.
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';

const {OpenAI} = createRequire(import.meta.url)(process.env.OPENAI_MODULE);
const [url, model, ...images] = process.argv.slice(2);
const client = new OpenAI({baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0});
const uris = images.map(f => `data:image/png;base64,${readFileSync(f, 'base64')}`);

const ask = async more => (await client.embeddings.create({model, input: uris[0], ...more})).data[0].embedding;
const decode = text => Array.from(new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer));

const told = {};
told.default = Array.from(await ask({}));              // asks for base64 and decodes it
told.float = await ask({encoding_format: 'float'});
const raw = await ask({encoding_format: 'base64'});
told.base64 = typeof raw === 'string' ? decode(raw) : Array.from(raw);
const list = await client.embeddings.create({model, input: uris});
told.list = list.data.map(d => [d.index, Array.from(d.embedding).length]);
told.usage = list.usage;
try {
  await client.embeddings.create({model: 'nowhere', input: uris[0]});
} catch (e) {
  told.error = {name: e.constructor.name, status: e.status, code: e.code, type: e.type, message: e.message};
}
console.log(JSON.stringify(told));
