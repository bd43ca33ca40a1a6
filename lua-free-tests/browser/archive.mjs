// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// The archive as its readers meet it: lists, redlines, proofs, any date, and terms that take rights away. With and
// without scripts, on paper, on a small screen, from right to left, and by the rules of accessibility.

import { end, harness, is, like, ok, scenario, visitor } from './lib/browser.mjs';

const diff = '/privacy/diff/2026-12-01/2027-01-01';
const pages = ['/privacy/', '/privacy/versions', '/privacy/versions/2026-09-01', '/privacy/versions/2027-02-01',
    '/privacy/versions/2026-09-01/proof', diff, '/privacy/diff/2026-09-01/2027-01-01', '/privacy/diff/mine/current',
    '/privacy/versions/none', '/privacy/choices'];


// Bound before anything changed: one with scripts, one without. Both allowed statistics.
const bound = [];
for (const scripts of [true, false]) {
    const v = await visitor({ scripts });
    await v.open('/privacy/choices?lang=en');
    await v.page.locator('#purpose-analytics').check();
    await v.press('custom');
    bound.push(v);
}
await harness('publish later');

const fresh = await visitor();
for (let i = 0; i < 300; i++) {
    const answer = await fresh.page.request.get(fresh.origin + '/privacy/versions.json');
    const { in_force, total } = await answer.json();
    if (in_force === '2027-01-01' && total === 5) {
        break;
    }
    await new Promise(resolve => setTimeout(resolve, 100));
}
await fresh.close();


await scenario('terms that take rights away', async v => {
    const old = bound.find(one => one.scripts === v.scripts);
    await old.open('/privacy/choices?lang=en');
    const section = old.page.locator('section.terms');
    ok(await section.isVisible(), 'the choices page says so');
    like(await section.innerText(), /2026-12-01/, 'and which version binds');
    ok(await old.page.locator('#purpose-analytics').isChecked(), 'what was chosen stays');
    if (old.scripts) {
        is(await old.violations(), [], 'accessible');
    }

    await section.getByRole('link', { name: /since the version that binds you/ }).click();
    await old.page.waitForURL(/diff\/mine\/current/);
    like(await old.text('main > h1'), /since the version that binds you/, 'what changed is shown');
    like(await old.text('.redline'), /45/, 'in the text');
    if (old.scripts) {
        is(await old.violations(), [], 'accessible');
    }

    const button = old.page.locator('button[name=choice][value=agree]');
    is(await button.count(), 1, 'agreeing is offered');
    await Promise.all([old.page.waitForNavigation(), button.click()]);
    await old.open('/privacy/choices?lang=en');
    is(await old.page.locator('section.terms').count(), 0, 'and done');
    ok(await old.page.locator('#purpose-analytics').isChecked(), 'the choices are as they were');
    ok(!await old.page.locator('#purpose-marketing').isChecked(), 'all of them');
    await old.close();
});


await scenario('who is bound by nothing', async v => {
    await v.open('/privacy/choices?lang=en');
    is(await v.page.locator('section.terms').count(), 0, 'is asked nothing');
    await v.open('/privacy/diff/mine/current?lang=en');
    is(await v.page.locator('form').count(), 0, 'nor offered to agree');
    ok(v.answer.status() < 500, 'and gets an answer', v.answer.status());
});


await scenario('the list', async v => {
    await v.open('/privacy/versions?lang=en');
    is(await v.page.locator('.versions h2 a').allInnerTexts(),
        ['2027-03-01', '2027-02-01', '2027-01-01', '2026-12-01', '2026-09-01'], 'newest first');
    like(await v.text('.versions li.withdrawn'), /It was published too early\./, 'a withdrawn one says why');
    like(await v.text('.versions li.current'), /answer within 45 days/, 'the one in force what it changed');
    like(await v.text('.versions > li:first-child'), /Not in force yet/, 'the one to come that it is to come');

    await v.page.selectOption('#from', '2026-09-01');
    await v.page.selectOption('#to', '2026-12-01');
    await Promise.all([v.page.waitForURL(/diff\/2026-09-01\/2026-12-01/), v.page.getByRole('button', { name: 'Compare' })
        .click()]);
    like(await v.text('main > h1'), /2026-09-01 to 2026-12-01/, 'any two can be compared');

    await v.open('/privacy/versions?lang=en');
    await v.page.fill('#at', '2026-10-20');
    await Promise.all([v.page.waitForURL(/2026-/), v.page.getByRole('button', { name: 'Show' }).click()]);
    like(await v.text('main'), /2026-10-20/, 'and a day looked up');

    const feed = await v.page.request.get(`${v.origin}/privacy/versions.atom?lang=en`);
    like(feed.headers()['content-type'], /application\/atom\+xml/, 'the feed');
    const parsed = v.scripts && await v.page.evaluate(text => {
        const xml = new DOMParser().parseFromString(text, 'application/xml');
        return [xml.querySelectorAll('parsererror').length, xml.querySelectorAll('feed > entry').length,
            new Set([...xml.querySelectorAll('id')].map(id => id.textContent)).size];
    }, await feed.text());
    ok(!v.scripts || String(parsed) === '0,5,6', 'is well-formed, with an entry a version and an id each', parsed);
});


await scenario('a redline', async v => {
    await v.open(`${diff}?lang=en`);
    const ins = v.page.locator('.redline ins').first();
    const del = v.page.locator('.redline del:not(.privacy-moved-from del)').first();
    const moved = v.page.locator('.redline .privacy-moved-from del').first();
    like(await ins.evaluate(e => getComputedStyle(e).textDecorationLine), /underline/, 'what is new is underlined');
    like(await del.evaluate(e => getComputedStyle(e).textDecorationLine), /line-through/, 'what is gone is struck through');
    like(await moved.evaluate(e => getComputedStyle(e).textDecorationStyle), /dotted/, 'what moved is dotted');
    like(await ins.evaluate(e => e.textContent), /^\[inserted: .*\]$/s, 'with a label that is read aloud');
    const mark = v.page.locator('.redline .privacy-mark').first();
    ok((await mark.boundingBox()).width <= 1, 'and not seen');
    like(await v.text('.differences'), /track_id.*180 days/s, 'what is declared is a table');
    like(await v.text('main'), /answer within 45 days/, 'with what the publisher says');

    const folds = v.page.locator('.redline details');
    ok(await folds.count() > 0, 'long unchanged parts are folded');
    await folds.first().locator('summary').focus();
    await v.page.keyboard.press('Enter');
    ok(await folds.first().evaluate(e => e.open), 'and unfold by keyboard');

    const place = v.page.locator('.places a').last();
    if (await place.count()) {
        await place.focus();
        await v.page.keyboard.press('Enter');
        await v.page.waitForURL(/#privacy-change/, { timeout: 10000 }).catch(() => {});
        like(v.page.url(), /#privacy-change-\d+$/, 'the changes are reached by keyboard');
    }

    await v.page.emulateMedia({ media: 'print' });
    ok((await mark.boundingBox()).width > 20, 'on paper the labels are seen');
    const colours = await v.page.locator('.redline ins, .redline del').evaluateAll(list =>
        list.map(e => getComputedStyle(e).backgroundColor));
    ok(colours.every(colour => colour === 'rgba(0, 0, 0, 0)'), 'without colours', colours.join(' '));
    ok((await v.page.pdf()).length > 10000, 'and it can be printed');

    const json = await (await v.page.request.get(`${v.origin}${diff}.json?lang=en`)).json();
    is([json.from.version, json.to.version, json.language], ['2026-12-01', '2027-01-01', 'en'], 'for programs too');

    await v.open('/privacy/diff/2027-01-01/2027-01-01?lang=en');
    like(await v.text('main'), /say the same/, 'a version does not differ from itself');
});


await scenario('a version of long ago', async v => {
    await v.open('/privacy/versions/2026-09-01?lang=en');
    like(await v.text('main'), /earlier version/, 'says that it is');
    ok(await v.page.getByRole('link', { name: 'Later: 2026-12-01' }).isVisible(), 'leads to the next');
    await v.page.getByRole('link', { name: 'Compare with the version in force' }).click();
    await v.page.waitForURL(/diff/);
    like(await v.text('main > h1'), /2026-09-01 to 2027-01-01/, 'and to what changed since');

    await v.open('/privacy/versions/2026-09-01?lang=ar');
    like(await v.text('main > .note:first-child'), /العربية/, 'says that there is no Arabic text');

    await v.open('/privacy/versions/2027-02-01?lang=en');
    like(await v.text('main'), /withdrawn before it came into force.*too early/s, 'one that was withdrawn says why');

    await v.open('/privacy/versions/1999');
    is(v.answer.status(), 404, 'one that is not there');
    ok(await v.page.locator('main a[href*="versions/2027-01-01"]').count(), 'lists what there is');
});


await scenario('a proof', async v => {
    await v.open('/privacy/versions/2026-12-01?lang=en');
    await v.page.getByRole('link', { name: 'Proof' }).first().click();
    await v.page.waitForURL(/proof/);
    like(await v.text('main'), /2 of 6 entries/, 'says where it stands');
    is(await v.page.locator('table.parts tbody tr').count(), 5, 'and what it holds');
    const answer = await v.page.request.get(new URL(await v.page.locator('a[download]').getAttribute('href'),
        v.page.url()).href);
    like((await answer.body()).subarray(0, 17).toString(), /^privacy-bundle 1\n$/, 'the entry can be fetched');
});


await scenario('from right to left', { scripts: true, locale: 'ar' }, async v => {
    await v.open('/privacy/');
    const article = v.page.locator('article.text');
    is(await article.getAttribute('dir'), 'rtl', 'the text runs from right to left');
    is(await article.getAttribute('lang'), 'ar', 'in its language');
    await v.open('/privacy/diff/2027-01-01/2027-03-01?lang=ar');
    ok(v.answer.ok(), 'two of them can be compared');
    for (const path of pages) {
        await v.open(path);
        const over = await v.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        ok(over <= 0, `${path} does not scroll sideways`, `${over} pixels too wide`);
        is(await v.violations(), [], path);
    }
});


await scenario('elements in the site\'s own page', { scripts: false }, async v => {
    await v.open('/legal');
    is(await v.page.locator('[data-privacy=cookies] thead th').allInnerTexts(),
        ['Name', 'Set by', 'Purpose', 'Kept for'], 'cookies are a table');
    ok(await v.page.locator('[data-privacy=cookies] tbody tr').count() >= 8, 'a row a cookie');
    like(await v.text('[data-privacy=changes]'), /Your rights.*within 45 days/s, 'the latest changes');
    ok(await v.page.locator('[data-privacy=changes] a[href="/privacy/versions"]').count(), 'with where to see all');
    ok(await v.page.locator('[data-privacy=changes] a[href="/privacy/diff/2026-12-01/2027-01-01"]').count(),
        'and what they changed');
});


for (const width of [320, 1280]) {
    await scenario(`${width} pixels wide`, { scripts: false, viewport: { width, height: 640 } }, async v => {
        for (const path of pages.flatMap(p => [p + '?lang=en', p + '?lang=zh-CN', p + '?lang=ar'])) {
            await v.open(path);
            const over = await v.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            ok(over <= 0, `${path} does not scroll sideways`, `${over} pixels too wide`);
        }
    });
}


for (const colorScheme of ['light', 'dark']) {
    await scenario(`accessible, ${colorScheme}`, { scripts: true, colorScheme }, async v => {
        for (const path of pages.flatMap(p => [p + '?lang=en', p + '?lang=zh-CN'])) {
            await v.open(path);
            is(await v.violations(), [], path);
        }
    });
}


await end();
