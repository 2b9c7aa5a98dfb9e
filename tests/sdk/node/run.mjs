// Does with the npm SDK what stdin says, one JSON line a call; answers with one JSON line each.
// The folder in argv holds node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const OpenAI = createRequire(join(process.argv[2], "package.json"))("openai");

const failure = (error) => ({
  kind: error.constructor.name,
  status: error.status ?? null,
  code: error.code ?? null,
  type: error.type ?? null,
  param: error.param ?? null,
  message: error.message,
  request_id: error.requestID ?? null,
});

async function perform({ options, method, argument, accumulate }, outcome) {
  const client = new OpenAI(options);
  const path = method.split(".");
  const name = path.pop();
  const owner = path.reduce((found, step) => found[step], client);
  if (accumulate) {
    outcome.answers.push(await owner.stream(argument).finalChatCompletion());
    return;
  }
  const pending = argument === null ? owner[name]() : owner[name](argument);
  const { data, request_id } = await pending.withResponse();
  outcome.request_id = request_id;
  if (data[Symbol.asyncIterator]) {
    for await (const one of data) outcome.answers.push(one);
  } else {
    outcome.answers.push(data);
  }
}

// Node keeps connections for 4 s that nobody will use again; a new agent takes over from here.
const DISPATCHER = Symbol.for("undici.globalDispatcher.1");
async function leave() {
  const used = globalThis[DISPATCHER];
  if (!used) return;
  globalThis[DISPATCHER] = new used.constructor();
  await used.destroy();
}

for await (const line of createInterface({ input: process.stdin })) {
  const outcome = { answers: [], error: null, request_id: null };
  try {
    await perform(JSON.parse(line), outcome);
  } catch (error) {
    outcome.error = failure(error);
  }
  await leave();
  process.stdout.write(JSON.stringify(outcome) + "\n");
}
