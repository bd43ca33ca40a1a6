// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Over TLS and HTTP/2, under a name: as in the open.

import { end, facts, is, ok, scenario } from './lib/browser.mjs';

const origin = facts.secure.replace(/\/\/[^:]*/, '//shop.example');
const necessary = ['csrftoken', 'sessionid'];
const all = ['_ga', ...necessary, 'track_id'].sort();


await scenario('over TLS', { origin }, async v => {
    await v.open('/hours?day=1');
    is(await v.page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol"), 'h2', 'HTTP/2');
    is((await v.answer.request().allHeaders())['sec-fetch-site'], 'none', 'with Sec-Fetch headers');
    ok(await v.banner(), 'the banner shows');
    is(await v.ours(), [], 'no cookie of ours');
    is(await v.cookies(), necessary, 'none but the necessary ones');

    await v.press('accept_all');
    is(v.where(), '/hours?day=1', 'the visitor stays');
    const [line] = (await v.setCookies(v.posted)).filter(text => text.startsWith('__Host-privacy='));
    ok(/; *Path=\/(;|$)/.test(line) && /; *Secure(;|$)/i.test(line) && /; *HttpOnly(;|$)/i.test(line)
        && /; *SameSite=Lax(;|$)/i.test(line) && !/; *Domain=/i.test(line), 'the cookie as it is sent', line);
    is((await v.ours()).map(({ name, secure, httpOnly, sameSite, path, domain }) =>
        ({ name, secure, httpOnly, sameSite, path, domain })),
        [{ name: '__Host-privacy', secure: true, httpOnly: true, sameSite: 'Lax', path: '/',
            domain: 'shop.example' }],
        'and as the browser holds it');
    const days = ((await v.ours())[0].expires - Date.now() / 1000) / 86400;
    ok(days > 170 && days <= 400, 'for as long as a choice holds, 400 days at most', `${days} days`);
    if (v.scripts) {
        is(await v.page.evaluate(() => document.cookie.includes('privacy')), false, 'no script can read it');
    }

    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'the choice holds');
    is((await v.sent()).filter(name => name === '__Host-privacy').length, 1, 'the browser sends it');

    await v.open('/privacy/choices');
    await v.press('withdraw');
    await v.open('/');
    is(v.received(), [necessary], 'and is taken back');
    is(await v.cookies(), necessary, 'with the cookies');
});


await scenario('a cookie of another subdomain', { origin, scripts: false }, async v => {
    await v.open('/');
    await v.press('accept_all');
    const [cookie] = await v.ours();
    const thief = cookie.value;
    await v.context.clearCookies();
    await v.context.addCookies([{ name: 'privacy', value: thief, domain: '.shop.example', path: '/' }]);
    await v.open('/');
    ok(await v.banner(), 'under the plain name it says nothing here');
    is(v.received(), [[]], 'and does not reach the shop');
});


await scenario('logged in, over TLS', { origin }, async v => {
    await v.open(`/login?user=carol${v.n}`);
    const binding = (await v.ours()).filter(({ name }) => /user/.test(name));
    is(binding.map(({ secure, httpOnly, sameSite }) => [secure, httpOnly, sameSite]), [[true, true, 'Lax']],
        'the binding is a cookie of the same kind');
    await v.open('/privacy/choices');
    await v.press('accept_all');
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'the choice is hers');
});


await scenario('a page that sends no referrer, over TLS', { origin }, async v => {
    await v.open('/quiet');
    await v.press('accept_all');
    await v.open('/');
    is(await v.banner(), false, 'can choose');
});


await end();
