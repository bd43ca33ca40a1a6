// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// A visitor's way: first visit, accept, reject, choose, change their mind, withdraw, signals, and back again.

import { end, facts, is, keeping, like, ok, scenario } from './lib/browser.mjs';

const necessary = ['csrftoken', 'sessionid'];
const all = ['_ga', ...necessary, 'track_id'].sort();
const ways = ['button[value=reject_all]', 'button[value=accept_all]', '.privacy-buttons a'];


// Size, colours and type of one of the banner's ways.
async function weight(v, way) {
    const button = v.page.locator(`#privacy-banner ${way}`);
    const { width, height } = await button.boundingBox();
    const style = await button.evaluate(element => {
        const { color, backgroundColor, fontSize, fontWeight, textTransform } = getComputedStyle(element);
        return [color, backgroundColor, fontSize, fontWeight, textTransform].join();
    });
    return `${Math.round(width)} ${Math.round(height)} ${style}`;
}


await scenario('first visit', async v => {
    await v.open('/');

    ok(await v.banner(), 'the banner shows');
    like(await v.text('#privacy-banner'), /for Statistics, Advertising\./, 'and names the purposes');
    is(new Set(await Promise.all(ways.map(way => weight(v, way)))).size, 1, 'its three ways weigh the same');

    is(await v.ours(), [], 'no cookie of ours');
    is(await v.cookies(), necessary, 'none but the necessary ones');
    is((await v.setCookies()).map(line => line.split('=')[0]).sort(), necessary, 'on the wire neither');
    like((await v.answer.allHeaders()).link || '', /rel="?privacy-policy/, 'Link names the policy');

    await v.page.keyboard.press('Tab');
    const focused = await v.page.evaluate(() => !!document.activeElement.closest('#privacy-banner'));
    ok(focused, 'the first Tab is in the banner');

    await v.open('/hours');
    is(await v.sent(), necessary, 'the next request carries the necessary ones');
    is(v.received(), [necessary], 'and so it arrives');
    is(await v.ours(), [], 'still none of ours');

    for (const path of ['/go', '/missing']) {
        await v.open(path);
        is(await v.cookies(), necessary, `${path}: the same`);
    }
});


await scenario('a slow page', async v => {
    await v.open('/slow', { waitUntil: 'commit' });
    await v.page.locator('#privacy-banner').waitFor();
    is(await v.page.locator('#end').count(), 0, 'the banner is there before the page is');
});


await scenario('a cookie that a script sets', { scripts: true }, async v => {
    await v.open('/tracked');
    is(await v.cookies(), ['_ga', ...necessary], 'is in the browser');
    await v.open('/hours');
    is(await v.sent(), ['_ga', ...necessary], 'which sends it');
    is(v.received(), [necessary], 'but it does not arrive');
    is(await v.cookies(), necessary, 'and is gone then');
});


await scenario('accept', async v => {
    await v.open('/hours?day=1&tea=%E8%8C%B6');
    const posted = await v.press('accept_all');

    is(posted.status(), v.scripts ? 200 : 303, 'the choice is taken');
    is(v.where(), '/hours?day=1&tea=%E8%8C%B6', 'the visitor stays where they were');
    is(await v.banner(), false, 'the banner is gone');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'the settings stay within reach');
    is((await v.ours()).map(({ name, httpOnly, sameSite, path }) => [name, httpOnly, sameSite, path]),
        [['privacy', true, 'Lax', '/']], 'one cookie of ours');
    ok((await v.ours())[0].value.length < 240, 'a small one');

    await v.open('/');
    is(await v.banner(), false, 'nor is it on the next page');
    is(await v.cookies(), all, 'the declared cookies pass, the undeclared one does not');
    await v.open('/');
    is(v.received(), [all], 'back to the shop too, ours does not');

    await v.page.locator('#privacy-settings a').click();
    await v.page.waitForURL(/\/privacy\/choices/);
    const purposes = v.page.locator('input[name=purpose]');
    is(await purposes.and(v.page.locator(':checked')).count(), await purposes.count() - 1,
        'the choices page shows it: all but what asks for separate consent');
});


await scenario('reject', async v => {
    await v.open('/hours?day=2');
    await v.press('reject_all');
    is(await v.banner(), false, 'the banner is gone');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'the settings stay within reach');
    await v.open('/');
    is(await v.banner(), false, 'for good');
    is(await v.cookies(), necessary, 'none but the necessary ones');
    is(v.received(), [necessary], 'arrive');

    await v.page.locator('#privacy-settings a').click();
    await v.page.waitForURL(/\/privacy\/choices/);
    await v.press('accept_all');
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'who accepts later, accepts');
});


await scenario('choose', async v => {
    await v.open('/hours?day=3');
    await v.page.locator('#privacy-banner .privacy-buttons a').click();
    await v.page.waitForURL(/\/privacy\/choices/);
    is(await v.page.locator('input[name=purpose]:checked').count(), 0, 'nothing is ticked beforehand');
    await v.page.getByLabel('Statistics').check();
    await v.press('custom');
    is(v.posted.status(), 303, 'the choice is taken');
    like(v.page.url(), /\/hours\?day=3$|\/privacy\/choices/, 'and the visitor is back');
    await v.open('/');
    is(await v.banner(), false, 'no banner');
    await v.open('/');
    is(v.received(), [['_ga', ...necessary].sort()], 'the one purpose that was chosen, not the others');
});


await scenario('withdraw', async v => {
    await v.open('/');
    await v.press('accept_all');
    await v.open('/');
    is(await v.cookies(), all, 'all were allowed');

    await v.open('/privacy/choices');
    await v.press('withdraw');
    await v.open('/');
    is(v.received(), [necessary], 'nothing optional arrives any more');
    is(await v.cookies(), necessary, 'and the browser has lost it');
    is(await v.banner(), false, 'nobody is asked again for that');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'the settings stay within reach');
});


await scenario('an old form after a withdrawal', async v => {
    await v.open('/');
    const old = await v.context.newPage();
    await old.goto(v.origin + '/hours');
    await v.press('accept_all');
    await v.open('/privacy/choices');
    await v.press('withdraw');

    const answered = old.waitForResponse(answer => answer.request().method() === 'POST');
    await old.locator('#privacy-banner button[value=accept_all]').click();
    is((await answered).status(), 409, 'is not a new accept');
    if (v.scripts) {
        await old.locator('#privacy-banner .privacy-message').waitFor();
    } else {
        await old.waitForURL(/\/privacy\/choices/);
    }
    ok(await old.locator('button[value=accept_all]').first().isVisible(), 'a fresh form is there');
    await v.open('/');
    is(v.received(), [necessary], 'nothing was granted');

    if (v.scripts) {
        await old.locator('#privacy-banner button[value=accept_all]').click();
        await old.locator('#privacy-banner').waitFor({ state: 'detached' });
    } else {
        await Promise.all([old.waitForNavigation(), old.locator('button[value=accept_all]').first().click()]);
    }
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'whoever means it, says it once more');
});


for (const kept of [true, false]) {
    const name = kept ? 'back and forward, pages kept by the browser' : 'back and forward';

    await scenario(name, kept ? { browser: keeping, scripts: true } : {}, async v => {
        await v.open('/');
        const first = await v.page.evaluate(() => window.mark = Math.random());
        await v.page.getByRole('link', { name: 'opening hours' }).click();
        await v.page.waitForURL(/hours/);
        await v.press('accept_all');

        // One step at a time: a page that is still arriving takes no further one. A kept page does not load again.
        do {
            await v.page.goBack({ waitUntil: kept ? 'commit' : 'load' });
        } while (v.where() !== '/');
        const same = await v.page.evaluate(() => window.mark) === first;
        if (kept) {
            is(same, true, 'the very page comes back');
        }
        await v.page.locator('#privacy-settings').waitFor({ timeout: 20000 }).catch(() => {});
        is(await v.banner(), false, 'it does not ask again');
        ok(await v.page.locator('#privacy-settings a').isVisible(), 'and has the settings');
        await v.page.goForward({ waitUntil: kept ? 'commit' : 'load' });
        is(await v.banner(), false, 'nor does the one after');
    });
}


await scenario('from another site', async v => {
    await v.open('/');
    await v.open(`${facts.elsewhere}/steal?${v.origin}`);
    const [posted] = await Promise.all([v.page.waitForResponse(answer => answer.request().method() === 'POST'),
        v.page.getByRole('button', { name: 'Win' }).click()]);
    is(posted.status(), 403, 'a choice is refused');
    is(await v.ours(), [], 'and nothing set');
    await v.page.waitForURL(/\/privacy\/choices/);
    ok((await v.text('h1')).length > 5, 'in a plain sentence');
});


await scenario('a page that sends no referrer', async v => {
    await v.open('/quiet');
    const posted = await v.press('accept_all');
    ok([200, 303].includes(posted.status()), 'a choice is taken from there');
    await v.open('/');
    is(await v.banner(), false, 'and holds');
});


await scenario('an origin without Sec-Fetch headers', { origin: facts.named }, async v => {
    await v.open('/hours');
    is((await v.answer.request().allHeaders())['sec-fetch-site'], undefined, 'it is one');
    await v.press('reject_all');
    is(await v.banner(), false, 'a refusal is taken');
    await v.open('/privacy/choices');
    await v.press('accept_all');
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'and a consent');
});


await scenario('Global Privacy Control', { headers: { 'Sec-GPC': '1' } }, async v => {
    await v.open('/');
    like(await v.text('#privacy-banner'), /Global Privacy Control.*honour/i, 'the banner says it is honoured');
    is(await v.ours(), [], 'no cookie is set for it');
    is(await v.cookies(), necessary, 'none but the necessary ones');
    await v.open('/privacy/choices');
    like(await v.text('main'), /Global Privacy Control.*honour/i, 'so does the choices page');
    is(await v.page.locator('input[name=purpose]:checked').count(), 0, 'nothing is ticked');

    await v.page.getByLabel('Statistics').check();
    await v.press('custom');
    await v.open('/');
    is(await v.banner(), false, 'an explicit choice is one');
    await v.open('/');
    is(v.received(), [['_ga', ...necessary].sort()], 'and wins, for the purpose that it names');
});


await scenario('Do Not Track', { headers: { DNT: '1' } }, async v => {
    await v.open('/');
    like(await v.text('#privacy-banner'), /Do Not Track.*honour/i, 'the banner says it is honoured');
    await v.press('accept_all');
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'an explicit accept wins');
});


await scenario('the script interface', { scripts: true }, async v => {
    await v.open('/');
    await v.page.evaluate(() => {
        window.heard = [];
        document.addEventListener('privacy:change', event => window.heard.push(event.detail.standing));
        window.told = [];
        window.stop = window.privacy.on(state => window.told.push(state.standing));
    });
    const run = script => v.page.evaluate(script);

    is(await run("privacy.allows('analytics')"), false, 'allows nothing at first');
    is(await run('privacy.ready().then(state => state.standing)'), 'undecided', 'knows that nothing was chosen');
    is(await v.ours(), [], 'asking sets no cookie');
    is(await run('privacy.choose({ analytics: true, marketing: false }).then(state => state.standing)'), 'current',
        'chooses');
    is(await run("['analytics', 'marketing', 'no such'].map(privacy.allows)"), [true, false, false], 'and knows it');
    is(await v.banner(), false, 'the banner is gone');
    is(await run('[heard, told]'), [['current'], ['undecided', 'current']], 'the page is told');
    await run('stop()');
    is(await run("privacy.choose({ nonsense: true }).then(() => 'saved', () => 'refused')"), 'refused',
        'an unknown purpose is refused');
    await v.open('/');
    await v.open('/');
    is(v.received(), [['_ga', ...necessary].sort()], 'what was chosen holds');
    is(v.errors.filter(text => !/40[0-9]/.test(text)), [], 'no script failed');
});


await scenario('two windows', { scripts: true }, async v => {
    await v.open('/');
    const other = await v.context.newPage();
    await other.goto(v.origin + '/hours');
    await v.press('reject_all');
    await other.locator('#privacy-banner button[value=reject_all]').click();
    await other.locator('#privacy-banner').waitFor({ state: 'detached' });
    ok(true, 'refusing in both is one refusal');
    await v.open('/');
    is(await v.banner(), false, 'and it holds');
});


await end();
