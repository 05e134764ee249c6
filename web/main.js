// The agent's own page: its data come over HTTP.

import { createApi } from "./api.js";
import { start } from "./app.js";

await start(createApi(), Number(document.querySelector("meta[name=poll-ms]").content));
