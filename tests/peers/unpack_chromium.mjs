// Unpacks the Chromium that npm's @sparticuz/chromium carries, and the libraries that a bare machine lacks.
//
//   node unpack_chromium.mjs FOLDER      afterwards FOLDER has `chromium`, `fonts` and `al2023/lib`
//
// The package unpacks into the folder for temporary files, and takes anything with the right name there for its own.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";

process.env.TMPDIR = process.argv[2];
const { inflate } = await import("@sparticuz/chromium");
const packed = join(dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")), "../bin");
for (const archive of ["chromium.br", "fonts.tar.br", "al2023.tar.br"]) await inflate(join(packed, archive));
