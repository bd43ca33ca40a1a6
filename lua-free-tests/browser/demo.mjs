// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// The demo's pages, as somebody sees them who has just started it.

import { end, facts, is, like, ok, scenario } from './lib/browser.mjs';

const necessary = ['csrftoken', 'sessionid'];
const pages = ['/', '/en/', '/hours', '/catalogue', '/book', '/old', '/legal', '/en/legal', '/login', '/go',
    '/no-such-page'];


await scenario(`${facts.run} run: the pages`, { locale: 'zh-CN' }, async v => {
    for (const path of pages) {
        await v.open(path, { waitUntil: 'domcontentloaded' });
        ok(await v.banner(), `${path} shows the banner`);
        like(await v.text('#privacy-banner'), /同意/, `${path}: in Chinese`);
    }
    is(await v.cookies(), necessary, 'none but the necessary cookies');
    is(await v.ours(), [], 'none of ours');
    await v.open('/old');
    like(await v.text('h1'), /山茶小铺价目表/, 'the old page can be read');
});


await scenario(`${facts.run} run: choosing`, async v => {
    await v.open('/en/hours', { waitUntil: 'domcontentloaded' });
    await v.press('accept_all');
    await v.open('/en/', { waitUntil: 'domcontentloaded' });
    is(await v.cookies(), ['_ga', ...necessary, 'track_id'].sort(), 'the declared cookies pass');
    is(await v.banner(), false, 'no banner');

    for (const path of ['/privacy/', '/privacy/versions', '/privacy/versions/2026-09-01', '/privacy/choices']) {
        is((await v.open(path)).status(), 200, path);
    }
    await v.press('withdraw');
    await v.open('/en/', { waitUntil: 'domcontentloaded' });
    is(await v.cookies(), necessary, 'withdrawn, they are gone');
});


await scenario(`${facts.run} run: logged in`, { scripts: true }, async v => {
    await v.open('/login?user=alice', { waitUntil: 'domcontentloaded' });
    is(await v.banner(), facts.run === 'first', facts.run === 'first' ? 'alice is asked' : 'what alice chose is found again');
    if (facts.run === 'first') {
        await v.press('accept_all');
    }
    await v.open('/', { waitUntil: 'domcontentloaded' });
    is(await v.cookies(), ['_ga', ...necessary, 'track_id'].sort(), 'and in effect');
});


await end();
