// Folders of the collection about markets, orders and their account; steps as in journey.mjs.

const API = "/api/v1";

// Far enough from the market to rest, on the price step, above the smallest cost.
const keepRestingPrice =
  'pm.environment.set("restingPrice", String(Math.floor(Number(pm.response.json().data.price) * 0.9)));';

const restingOrder = {
  symbol: "BTC/USDT",
  side: "buy",
  type: "limit",
  quantity: "0.001",
  price: "{{restingPrice}}",
};

const sandbox = { exchange: "sandbox" };

const marketOrder = { symbol: "BTC/USDT", side: "buy", type: "market", quantity: "0.001" };

export const trading = [
  {
    folder: "Market",
    steps: [
      { call: `GET ${API}/exchanges` },
      { call: `GET ${API}/markets` },
      { call: `GET ${API}/tickers` },
      { call: `GET ${API}/tickers/:symbol`, path: { symbol: "BTC-USDT" }, after: keepRestingPrice },
      {
        call: `GET ${API}/candles/:symbol`,
        path: { symbol: "BTC-USDT" },
        query: { interval: "1m", limit: "20" },
      },
      { call: `GET ${API}/order-book/:symbol`, path: { symbol: "BTC-USDT" } },
    ],
  },
  {
    folder: "Sandbox exchange",
    steps: [
      {
        call: `PUT ${API}/sandbox/prices/:symbol`,
        path: { symbol: "ETH-USDT" },
        body: { price: "3000", hold: true },
      },
      { call: `DELETE ${API}/sandbox/prices/:symbol`, path: { symbol: "ETH-USDT" } },
    ],
  },
  {
    folder: "Account",
    steps: [
      { call: `GET ${API}/portfolio` },
      { call: `GET ${API}/portfolio/balance` },
      { call: `POST ${API}/portfolio/refresh` },
      { call: `GET ${API}/portfolio/history`, query: { interval: "1h" } },
    ],
  },
  {
    folder: "Orders",
    steps: [
      { call: `POST ${API}/orders/preview`, body: restingOrder },
      {
        call: `POST ${API}/orders`,
        header: { "Idempotency-Key": "{{$guid}}" },
        body: restingOrder,
        keep: { orderId: "data.id" },
      },
      { call: `GET ${API}/orders`, query: { status: "open" } },
      { call: `GET ${API}/orders/:order_id`, path: { order_id: "{{orderId}}" } },
      {
        call: `PATCH ${API}/orders/:order_id`,
        path: { order_id: "{{orderId}}" },
        body: { quantity: "0.002" },
        keep: { orderId: "data.order.id" },
      },
      { call: `DELETE ${API}/orders/:order_id`, path: { order_id: "{{orderId}}" } },
      { call: `POST ${API}/orders`, name: "Place a market order", body: marketOrder },
      {
        call: `POST ${API}/orders/batch`,
        body: { orders: [restingOrder, { ...restingOrder, quantity: "0.002" }] },
      },
      { call: `DELETE ${API}/orders`, query: { symbol: "BTC-USDT" } },
      { call: `POST ${API}/orders/cancel-all-after`, body: { timeout_s: 0 } },
    ],
  },
  {
    folder: "Positions",
    steps: [
      { call: `GET ${API}/positions`, query: { status: "all" } },
      {
        call: `GET ${API}/positions/:symbol`,
        path: { symbol: "BTC-USDT:USDT" },
        futures: true,
      },
      {
        call: `PATCH ${API}/positions/:symbol`,
        path: { symbol: "BTC-USDT:USDT" },
        body: { leverage: 2 },
        futures: true,
      },
      {
        call: `POST ${API}/positions/:symbol/close`,
        path: { symbol: "BTC-USDT:USDT" },
        header: { "Idempotency-Key": "{{$guid}}" },
        body: { type: "market" },
        futures: true,
      },
    ],
  },
  {
    folder: "Trades",
    steps: [
      {
        call: `GET ${API}/trades/history`,
        query: { symbol: "BTC-USDT", limit: "20" },
        keep: { tradeId: "data.0.id" },
      },
      { call: `GET ${API}/trades/:trade_id`, path: { trade_id: "{{tradeId}}" } },
      { call: `GET ${API}/trades/pnl`, query: { symbol: "BTC-USDT" } },
    ],
  },
  {
    folder: "Streams",
    steps: [
      { call: `POST ${API}/stream/ticket` },
      { call: `GET ${API}/stream`, query: { topics: "prices,orders" }, endless: true },
      { call: `GET ${API}/stream/prices`, endless: true },
      { call: `GET ${API}/stream/orders`, endless: true },
      { call: `GET ${API}/events`, query: { topics: "orders,trades", limit: "20" } },
      { call: "GET /ws", endless: true },
    ],
  },
  {
    folder: "Exchange keys",
    steps: [
      {
        call: `POST ${API}/exchanges/:exchange/credentials`,
        path: sandbox,
        body: { api_key: "sandbox", api_secret: "sandbox" },
      },
      { call: `GET ${API}/exchanges/credentials` },
      { call: `GET ${API}/exchanges/:exchange/credentials`, path: sandbox },
      { call: `POST ${API}/exchanges/:exchange/credentials/test`, path: sandbox },
      {
        call: `PATCH ${API}/exchanges/:exchange/credentials`,
        path: sandbox,
        body: { enabled: false },
      },
      { call: `DELETE ${API}/exchanges/:exchange/credentials`, path: sandbox },
    ],
  },
];
