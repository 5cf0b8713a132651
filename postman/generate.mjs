// Write the Postman collection and environment from swagger.yaml.
// usage: node generate.mjs [SWAGGER-FILE [OUTPUT-FOLDER]]

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { promisify } from "node:util";
import converter from "openapi-to-postmanv2";
import { journey } from "./journey.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const [source = join(here, "..", "swagger.yaml"), target = here] = process.argv.slice(2);

const ENVIRONMENT = {
  baseUrl: "http://127.0.0.1:8000",
  username: "admin",
  password: "",
  newPassword: "a password for a moment",
  email: "",
  mailedCode: "",
  accessToken: "",
  refreshToken: "",
  restingPrice: "",
  orderId: "",
  tradeId: "",
};
const MEDIA_TYPES = new Set(["Accept", "Content-Type"]);
const SKIP_UNDER_A_RUNNER = [
  "// A stream does not end, a code comes by mail: nothing for a runner, which sets `runner`.",
  'if (pm.environment.get("runner")) pm.execution.skipRequest();',
];
const WAIT_UNDER_A_RUNNER = [
  "// A runner, which sets `runner`, waits where a person would be stopped by the rate limit.",
  "const { headers } = pm.response;",
  'if (pm.environment.get("runner") && headers.get("RateLimit-Remaining") === "0") {',
  '  setTimeout(() => {}, (Number(headers.get("RateLimit-Reset")) + 1) * 1000);',
  "}",
];
const SECRET = new Set(["password", "accessToken", "refreshToken"]);

async function convert(path) {
  const input = { type: "string", data: readFileSync(path, "utf8") };
  const result = await promisify(converter.convertV2)(input, { folderStrategy: "Tags" });
  if (!result.result) throw new Error(`${path} cannot be converted: ${result.reason}`);
  return result.output[0].data;
}

// Requests lie in folders of folders; a route is known by its method and path.
function requestsByRoute(items, found = new Map()) {
  for (const item of items) {
    if (item.item) requestsByRoute(item.item, found);
    else found.set(`${item.request.method} /${item.request.url.path.join("/")}`, item);
  }
  return found;
}

function buildRequest(step, { request, response }) {
  const { method, header, description, url } = request;
  return {
    name: step.name ?? request.name.replace(/\.$/, ""),
    request: {
      method,
      header: header.map((parameter) => buildHeader(step, parameter)),
      description,
      url: {
        raw: `{{baseUrl}}/${url.path.join("/")}`,
        host: ["{{baseUrl}}"],
        path: url.path,
        query: url.query.map((parameter) => buildParameter(parameter, step.query)),
        variable: url.variable.map(({ key }) => ({ key, value: step.path[key] })),
      },
      ...(step.body && buildBody(step.body)),
      ...(step.anybody && { auth: { type: "noauth" } }),
    },
    event: buildScripts(step, firstSuccess(response)),
  };
}

// Parameters that the step does not use stay in the request, switched off.
function buildParameter({ key, description }, used = {}) {
  return { key, value: used[key] ?? "", description, disabled: !(key in used) };
}

function buildHeader(step, parameter) {
  const { key, value } = parameter;
  return MEDIA_TYPES.has(key) ? { key, value } : buildParameter(parameter, step.header);
}

function buildBody(body) {
  const options = { raw: { language: "json" } };
  return { body: { mode: "raw", raw: JSON.stringify(body, null, 2), options } };
}

function firstSuccess(responses) {
  return Math.min(...responses.map(({ code }) => code).filter((code) => code < 400));
}

function buildScripts(step, success) {
  const before = step.endless || step.futures || step.mailed || step.browser ? SKIP_UNDER_A_RUNNER : [];
  const after = [
    `pm.test("the status is ${success}", () => pm.response.to.have.status(${success}));`,
    ...Object.entries(step.keep ?? {}).map(
      ([name, path]) => `pm.environment.set("${name}", ${access("pm.response.json()", path)});`,
    ),
    ...(step.after ? [step.after] : []),
  ];
  return [...(before.length ? [buildScript("prerequest", before)] : []), buildScript("test", after)];
}

function buildScript(listen, exec) {
  return { listen, script: { type: "text/javascript", exec } };
}

function access(root, path) {
  const steps = path.split(".").map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`));
  return root + steps.join("");
}

function buildCollection({ info }, requests) {
  const unused = new Set(requests.keys());
  const build = (step) => {
    const request = requests.get(step.call);
    if (!request) throw new Error(`journey.mjs calls ${step.call}, which swagger.yaml lacks`);
    unused.delete(step.call);
    return buildRequest(step, request);
  };
  const item = journey.map(({ folder, steps }) => ({ name: folder, item: steps.map(build) }));
  if (unused.size) throw new Error(`journey.mjs does not call ${[...unused].join(", ")}`);
  return {
    info: { name: info.name, description: info.description, schema: info.schema },
    auth: { type: "bearer", bearer: [{ key: "token", value: "{{accessToken}}", type: "string" }] },
    event: [buildScript("test", WAIT_UNDER_A_RUNNER)],
    item,
  };
}

function buildEnvironment(name) {
  const values = Object.entries(ENVIRONMENT).map(([key, value]) => ({
    key,
    value,
    type: SECRET.has(key) ? "secret" : "default",
    enabled: true,
  }));
  return { name, values, _postman_variable_scope: "environment" };
}

function write(name, content) {
  writeFileSync(join(target, name), `${JSON.stringify(content, null, 2)}\n`);
}

const converted = await convert(source);
write("collection.json", buildCollection(converted, requestsByRoute(converted.item)));
write("environment.json", buildEnvironment(converted.info.name));
