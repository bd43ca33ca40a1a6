// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Pages of every kind with the banner in them, and the centre's own: for everybody alike, in other encodings,
// under a strict policy of content, by keyboard, on a small screen, and by the rules of accessibility.

import { end, is, like, ok, scenario } from './lib/browser.mjs';

const necessary = ['csrftoken', 'sessionid'];
const centre = ['/privacy/', '/privacy/versions', '/privacy/versions/2026-09-01', '/privacy/choices'];


await scenario('a page for everybody', async v => {
    await v.open('/public?a=1');
    like((await v.answer.allHeaders())['cache-control'], /public/, 'stays public');
    is(await v.setCookies(), [], 'sets no cookie');
    await v.page.locator('#privacy-banner').waitFor();
    ok(await v.banner(), 'the banner shows');
    is(await v.ours(), [], 'nothing is set by showing it');

    if (v.scripts) {
        await v.press('reject_all');
    } else {
        is(await v.page.locator('#privacy-banner button:visible').count(), 0, 'without scripts it is a link');
        await v.page.locator('#privacy-banner .privacy-buttons a').click();
        await v.page.waitForURL(/\/privacy\/choices/);
        await v.press('reject_all');
    }
    await v.open('/public?a=1');
    await v.page.waitForLoadState();
    is(await v.banner(), false, 'who has chosen does not see it');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'but the settings');

    await v.open('/privacy/choices');
    await v.press('accept_all');
    await v.open('/public?a=2');
    is(await v.banner(), false, 'nor who chose differently');
});


await scenario('a page for everybody: choosing', { scripts: true }, async v => {
    await v.open('/public');
    const standing = await v.page.evaluate('privacy.ready().then(state => state.standing)');
    is(standing, 'undecided', 'the state is known');
    await v.press('accept_all');
    is(await v.banner(), false, 'the banner is gone');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'the settings are there');
    is(await v.page.evaluate(() => window.privacy.allows('analytics')), true, 'what was granted is allowed');
    await v.open('/');
    is(await v.banner(), false, 'everywhere');
    is(await v.cookies(), ['_ga', ...necessary, 'track_id'].sort(), 'and in effect');
});


await scenario('a page for everybody, with a signal', { headers: { 'Sec-GPC': '1' } }, async v => {
    await v.open('/public');
    await v.page.locator('#privacy-banner').waitFor();
    if (v.scripts) {
        like(await v.text('#privacy-banner'), /honour|尊重/, 'says that it is honoured');
    }
    is(await v.ours(), [], 'nothing is set');
});


const encodings = {
    gbk: '山茶小铺价目表:龙井、碧螺春',
    big5: '山茶小舖價目表:龍井、碧螺春',
    shift_jis: '椿茶舗の価格表:龍井、煎茶',
};

for (const [path, text] of Object.entries(encodings)) {
    await scenario(`a page in ${path}`, { locale: 'zh-CN' }, async v => {
        await v.open(`/${path}`);
        like(await v.page.evaluate(() => document.characterSet), new RegExp(path, 'i'), 'is read as such');
        is(await v.text('h1'), text, 'its own text is right');
        like(await v.text('#privacy-banner'), /同意/, 'and so is the banner');
        ok(!/[\uFFFD?]{2}/.test(await v.text('body')), 'no character is broken');
        await v.press('accept_all');
        is(await v.banner(), false, 'choosing works');
        like(await v.text('#privacy-settings'), /隐私/, 'the settings are there');
    });
}


await scenario('a strict Content-Security-Policy', async v => {
    await v.open('/csp?q=1');
    ok(await v.banner(), 'the banner shows');
    const position = await v.page.locator('#privacy-banner').evaluate(e => getComputedStyle(e).position);
    is(position, 'fixed', 'with its style');
    await v.press('accept_all');
    is(await v.banner(), false, 'choosing works');
    ok(await v.page.locator('#privacy-settings a').isVisible(), 'the settings are there');
    is(v.errors.filter(text => /content security policy/i.test(text)), [], 'nothing was blocked');
});


await scenario('the policy inside a page', async v => {
    await v.open('/legal');
    like(await v.text('[data-privacy=policy]'), /Statistics|personal information/i, 'is there');
    like(await v.text('p[data-privacy=version]'), /2026-12-01/, 'with its version');
    ok(await v.page.locator('[data-privacy=settings] a').isVisible(), 'and a link to the settings');
});


// By keyboard only: what is reached with Tab, in order, until it is pressed.
async function tabTo(v, selector) {
    for (let i = 0; i < 60; i++) {
        await v.page.keyboard.press('Tab');
        if (await v.page.evaluate(s => document.activeElement?.matches(s), selector)) {
            return true;
        }
    }
    return false;
}


await scenario('by keyboard only', async v => {
    await v.open('/hours?k=1');
    ok(await tabTo(v, '#privacy-banner a[href*=choices]'), 'the choices are reached');
    const outline = await v.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    is(outline, 'solid', 'one sees where one is');
    await Promise.all([v.page.waitForURL(/\/privacy\/choices/), v.page.keyboard.press('Enter')]);
    ok(await tabTo(v, '#purpose-analytics'), 'a purpose is reached');
    await v.page.keyboard.press('Space');
    ok(await v.page.locator('#purpose-analytics').isChecked(), 'and ticked');
    ok(await tabTo(v, 'button[value=custom]'), 'the button is reached');
    await Promise.all([v.page.waitForNavigation(), v.page.keyboard.press('Enter')]);
    await v.open('/');
    is(await v.banner(), false, 'the choice is made');
    ok(await tabTo(v, '#privacy-settings a'), 'the settings are reached');

    await v.context.clearCookies();
    await v.open('/hours?k=2');
    ok(await tabTo(v, '#privacy-banner button[value=reject_all]'), 'the banner is reached');
    await v.page.keyboard.press('Enter');
    await v.page.locator('#privacy-banner').waitFor({ state: 'detached' });
    if (v.scripts) {
        const focused = await v.page.evaluate(() => !!document.activeElement.closest('#privacy-settings'));
        ok(focused, 'the focus is not lost');
    }
});


for (const width of [320, 1280]) {
    await scenario(`${width} pixels wide`, { scripts: false, viewport: { width, height: 640 } }, async v => {
        for (const path of ['/', '/zh', '/legal', ...centre, ...centre.map(p => p + '?lang=zh-CN')]) {
            await v.open(path);
            const over = await v.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            ok(over <= 0, `${path} does not scroll sideways`, `${over} pixels too wide`);
        }
        await v.open('/');
        const { height } = await v.page.locator('#privacy-banner').boundingBox();
        ok(height <= 0.72 * 640, 'the banner leaves room for the page', `${height} of 640`);
        for (const button of await v.page.locator('#privacy-banner .privacy-buttons > *').all()) {
            const box = await button.boundingBox();
            ok(box.height >= 44, 'a button can be hit with a thumb', `${box.width} x ${box.height}`);
            const cut = await button.evaluate(e => e.scrollWidth > e.clientWidth + 1);
            ok(!cut, 'and read');
        }
    });
}


for (const colorScheme of ['light', 'dark']) {
    await scenario(`accessible, ${colorScheme}`, { scripts: true, colorScheme }, async v => {
        for (const path of ['/', ...centre, ...centre.map(p => p + '?lang=zh-CN'), '/privacy/versions/none']) {
            await v.open(path);
            is(await v.violations(path === '/' ? '#privacy-banner' : undefined), [], path);
        }
    });

    const chinese = { scripts: true, colorScheme, locale: 'zh-CN', headers: { 'Sec-GPC': '1' } };
    await scenario(`accessible in Chinese, with a signal, ${colorScheme}`, chinese, async v => {
        await v.open('/zh');
        like(await v.text('#privacy-banner'), /[\u4e00-\u9fff]{8}/, 'it is Chinese');
        is(await v.violations('#privacy-banner'), [], 'the banner');
        await v.open('/privacy/choices');
        is(await v.violations(), [], 'the choices');
        await v.press('accept_all');
        await v.open('/privacy/choices');
        is(await v.violations(), [], 'the choices, made');
        await v.open('/zh');
        is(await v.violations('#privacy-settings'), [], 'the settings link');
    });
}


await end();
