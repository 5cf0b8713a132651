// What the collection does, in order; folders about trading are in trading.mjs.
// Each step names a route of swagger.yaml and what to send:
//
// body, query, path, header   what to send; parameters that are not named are switched off
// anybody                     needs no login
// keep                        values of the answer to remember, by dotted path
// after                       a script line to run on the answer
// endless                     an event stream: runs in Postman, is skipped by a runner
// mailed                      takes a mail server and a code from a mail, so a runner skips it too
// browser                     takes what only a browser or provider can make, so a runner skips it too
// futures                     takes BACKEND_EXCHANGE_TYPE=future: is skipped by a runner

import { keepCode, passkey } from "./second-factor.mjs";
import { trading } from "./trading.mjs";

const API = "/api/v1";

const session = { accessToken: "data.access_token", refreshToken: "data.refresh_token" };

const login = {
  call: `POST ${API}/auth/login`,
  body: { username: "{{username}}", password: "{{password}}" },
  anybody: true,
  keep: session,
};

export const journey = [
  {
    folder: "Server",
    steps: [
      { call: "GET /", anybody: true },
      { call: "GET /healthz", anybody: true },
      { call: "GET /readyz", anybody: true },
    ],
  },
  {
    folder: "Log in",
    steps: [
      login,
      { call: `GET ${API}/auth/me`, keep: { adminId: "data.id" } },
      { call: `PATCH ${API}/auth/me`, body: { name: "Ada Lovelace" } },
      { call: `PATCH ${API}/auth/me`, name: "Remove the name", body: { name: "" } },
      {
        call: `POST ${API}/auth/refresh`,
        body: { refresh_token: "{{refreshToken}}" },
        anybody: true,
        keep: session,
      },
      {
        call: `PUT ${API}/auth/password`,
        body: { current_password: "{{password}}", new_password: "{{newPassword}}" },
        keep: session,
      },
      {
        call: `PUT ${API}/auth/password`,
        name: "Change it back",
        body: { current_password: "{{newPassword}}", new_password: "{{password}}" },
        keep: session,
      },
    ],
  },
  {
    folder: "By mail",
    steps: [
      {
        call: `POST ${API}/auth/register`,
        body: { email: "{{email}}" },
        anybody: true,
        mailed: true,
      },
      {
        call: `POST ${API}/auth/register/verify`,
        body: { email: "{{email}}", code: "{{mailedCode}}" },
        anybody: true,
        mailed: true,
      },
      {
        call: `POST ${API}/auth/register/complete`,
        body: {
          email: "{{email}}",
          code: "{{mailedCode}}",
          username: "newcomer",
          password: "{{newPassword}}",
        },
        anybody: true,
        mailed: true,
      },
      {
        call: `POST ${API}/auth/password-reset`,
        body: { email: "{{email}}" },
        anybody: true,
        mailed: true,
      },
      {
        call: `POST ${API}/auth/password-reset/complete`,
        body: { email: "{{email}}", code: "{{mailedCode}}", password: "{{newPassword}}" },
        anybody: true,
        mailed: true,
      },
    ],
  },
  {
    folder: "Sessions",
    steps: [
      { call: `POST ${API}/auth/step-up`, body: { password: "{{password}}" } },
      { call: `GET ${API}/auth/sessions`, keep: { sessionId: "data.0.id" } },
      {
        call: `DELETE ${API}/auth/sessions/:session_id`,
        path: { session_id: "{{sessionId}}" },
      },
      login,
      {
        call: `GET ${API}/users/:user_id/sessions`,
        path: { user_id: "{{adminId}}" },
        keep: { sessionId: "data.0.id" },
      },
      {
        call: `DELETE ${API}/users/:user_id/sessions/:session_id`,
        path: { user_id: "{{adminId}}", session_id: "{{sessionId}}" },
      },
      login,
    ],
  },
  {
    folder: "Second factor",
    steps: [
      { call: `POST ${API}/auth/second-factor`, after: keepCode },
      { call: `POST ${API}/auth/second-factor/confirm`, body: { code: "{{code}}" } },
      { call: `DELETE ${API}/auth/second-factor` },
    ],
  },
  {
    folder: "Passkeys",
    steps: [
      { call: `POST ${API}/auth/passkeys/options` },
      {
        call: `POST ${API}/auth/passkeys`,
        body: { name: "phone", credential: passkey("attestationObject") },
        keep: { passkeyId: "data.passkey.id" },
        browser: true,
      },
      { call: `GET ${API}/auth/passkeys` },
      {
        call: `PATCH ${API}/auth/passkeys/:passkey_id`,
        path: { passkey_id: "{{passkeyId}}" },
        body: { name: "old phone" },
        browser: true,
      },
      { call: `POST ${API}/auth/step-up/options`, browser: true },
      {
        call: `DELETE ${API}/auth/passkeys/:passkey_id`,
        path: { passkey_id: "{{passkeyId}}" },
        browser: true,
      },
    ],
  },
  {
    folder: "Sign in with a provider",
    steps: [
      {
        call: `GET ${API}/auth/oidc/login`,
        query: {
          return_to: "https://app.example.org/signed-in",
          code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        },
        anybody: true,
        browser: true,
      },
      {
        call: `GET ${API}/auth/oidc/callback`,
        query: { state: "{{state}}", code: "{{code}}" },
        anybody: true,
        browser: true,
      },
      {
        call: `POST ${API}/auth/oidc/nonce`,
        anybody: true,
        keep: { nonce: "data.nonce" },
        browser: true,
      },
      {
        call: `POST ${API}/auth/oidc/id-token`,
        body: { id_token: "{{idToken}}", nonce: "{{nonce}}" },
        anybody: true,
        keep: { signInCode: "data.sign_in_code" },
        browser: true,
      },
      {
        call: `POST ${API}/auth/oidc/token`,
        body: { sign_in_code: "{{signInCode}}" },
        anybody: true,
        keep: session,
        browser: true,
      },
    ],
  },
  {
    folder: "API keys",
    steps: [
      {
        call: `POST ${API}/auth/api-keys`,
        body: { name: "postman", scopes: ["orders:read"] },
        keep: { keyId: "data.id" },
      },
      { call: `GET ${API}/auth/api-keys` },
      { call: `DELETE ${API}/auth/api-keys/:key_id`, path: { key_id: "{{keyId}}" } },
    ],
  },
  {
    folder: "Users",
    steps: [
      {
        call: `POST ${API}/users`,
        body: { username: "postman-{{$randomInt}}", password: "{{$guid}}", role: "viewer" },
        keep: { userId: "data.id" },
      },
      { call: `GET ${API}/users` },
      { call: `GET ${API}/users/:user_id`, path: { user_id: "{{userId}}" } },
      {
        call: `PATCH ${API}/users/:user_id`,
        path: { user_id: "{{userId}}" },
        body: { role: "trader", disabled: true },
      },
      { call: `GET ${API}/users/:user_id/referrals`, path: { user_id: "{{userId}}" } },
      { call: `DELETE ${API}/users/:user_id/second-factor`, path: { user_id: "{{userId}}" } },
      { call: `DELETE ${API}/users/:user_id/sessions`, path: { user_id: "{{userId}}" } },
      { call: `DELETE ${API}/users/:user_id`, path: { user_id: "{{userId}}" } },
    ],
  },
  ...trading,
  {
    folder: "Bot",
    steps: [
      { call: `GET ${API}/config` },
      { call: `GET ${API}/config/schema` },
      { call: `PATCH ${API}/config`, body: {} },
      { call: `GET ${API}/bot` },
      { call: `POST ${API}/bot/pause` },
      { call: `POST ${API}/bot/resume` },
      { call: `POST ${API}/bot/stop` },
      { call: `POST ${API}/bot/start` },
      { call: `POST ${API}/bot/restart` },
    ],
  },
  {
    folder: "Administration",
    steps: [
      { call: `GET ${API}/risk` },
      { call: `PATCH ${API}/risk`, body: {} },
      { call: `GET ${API}/audit`, query: { limit: "20" } },
    ],
  },
  {
    folder: "Log out",
    steps: [{ call: `POST ${API}/auth/logout`, body: { refresh_token: "{{refreshToken}}" } }],
  },
  {
    folder: "The same by other paths",
    steps: [
      { call: `POST ${API}/signup`, body: { email: "{{email}}" }, anybody: true, mailed: true },
      {
        call: `POST ${API}/verify-otp`,
        body: { email: "{{email}}", code: "{{mailedCode}}" },
        anybody: true,
        mailed: true,
      },
      {
        call: `POST ${API}/complete-registration`,
        body: {
          email: "{{email}}",
          code: "{{mailedCode}}",
          username: "newcomer",
          password: "{{newPassword}}",
        },
        anybody: true,
        mailed: true,
      },
      { ...login, call: `POST ${API}/signin` },
      { call: `POST ${API}/signout`, body: { refresh_token: "{{refreshToken}}" } },
    ],
  },
];
