// A certified OpenID provider on this machine, for tests; it prints its issuer when it listens.
//
// Whoever signs in is who the login hint names: `sub email verified`, separated by spaces.

import http from "node:http";
import Provider from "oidc-provider";

const [redirectUri] = process.argv.slice(2);

const accounts = new Map();

const configuration = {
  clients: [
    {
      client_id: "octobot",
      client_secret: "a secret of tests only",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...accounts.get(sub) }) }),
};

const server = http.createServer();

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  const answer = provider.callback();

  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return answer(request, response);
    try {
      await finish(provider, request, response);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  console.log(issuer);
});

// Logs in without asking, and grants what the client asks for.
async function finish(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const [sub, email, verified] = params.login_hint.split(" ");
  accounts.set(sub, { email, email_verified: verified === "true" });
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: sub } });
    return;
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}
