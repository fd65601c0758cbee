// Prints the syntax trees of PowerShell files, one JSON line a file: [type, from, to, children], offsets in UTF-16
// units; what the parser could not make sense of has the type ERROR or MISSING.
// Use: node --liftoff-only parse.mjs MODULES FILE... (optimising the grammar takes longer than using it)
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const [modules, ...files] = process.argv.slice(2);
const require = createRequire(resolve(modules) + '/');
const { Parser, Language } = require('web-tree-sitter');

await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(require.resolve('tree-sitter-powershell/tree-sitter-powershell.wasm')));

function plain(node) {
    const type = node.isMissing ? 'MISSING' : node.type;
    return [type, node.startIndex, node.endIndex, node.children.map(plain)];
}

for (const file of files)
    console.log(JSON.stringify(plain(parser.parse(readFileSync(file, 'latin1')).rootNode)));
