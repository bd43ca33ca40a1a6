// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// diff-match-patch on two texts, as its authors mean it to be used for reading: diff_main(), then
// diff_cleanupSemantic(). One line: milliseconds of CPU, characters marked.
//
//     NODE_MODULES=(folder with node_modules in it) node diff_match_patch.mjs A.txt B.txt

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { diff_match_patch, DIFF_EQUAL } = createRequire(`${process.env.NODE_MODULES}/`)('diff-match-patch');
const [a, b] = process.argv.slice(2).map((name) => readFileSync(name, 'utf8'));

const differ = new diff_match_patch();
const before = process.cpuUsage();
const diffs = differ.diff_main(a, b);

differ.diff_cleanupSemantic(diffs);

const { user, system } = process.cpuUsage(before);
const marked = diffs.filter(([kind]) => kind !== DIFF_EQUAL).reduce((sum, [, text]) => sum + [...text].length, 0);

console.log(`${((user + system) / 1000).toFixed(3)}\t${marked}`);
