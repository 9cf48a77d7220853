// A fixed rate of single rows, and what must hold of the answers; see README.md beside this file.
import http from "k6/http";
import { check } from "k6";

const url = __ENV.URL || "http://127.0.0.1:8000";
const row = JSON.parse(open("../../models/heart_disease/serving.json")).example.row;
const headers = { "Content-Type": "application/json" };
if (__ENV.MODEL_API_KEY) headers["X-API-Key"] = __ENV.MODEL_API_KEY;

export const options = {
  scenarios: {
    rows: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE || 200),
      timeUnit: "1s",
      duration: __ENV.DURATION || "30s",
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    http_req_failed: ["rate==0"],
    checks: ["rate==1"],
    http_req_duration: ["p(99)<" + (__ENV.P99_MS || 100)],
  },
};

export default function () {
  const age = 29 + Math.floor(Math.random() * 49);
  const answer = http.post(`${url}/predict`, JSON.stringify({ ...row, age }), { headers });
  check(answer, {
    "names its version": (found) => found.headers["X-Model-Version"] !== undefined,
    "is a probability": (found) => found.json("probability") >= 0 && found.json("probability") <= 1,
  });
}
