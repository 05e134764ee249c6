// Where the agent's own page begins: whoever may look is let in, others sign in first.

import { admit } from "./views/signin.js";

await admit();
await import("./main.js");
