// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Notices: while pages are open, at the next page, on other devices, without scripts, for the one and not for the
// other on one browser, and when something is broken.

import { clock, end, eventually, facts, harness, is, like, ok, scenario, visitor } from './lib/browser.mjs';

const panel = '#privacy-notice';
const button = answer => `${panel} button[value=${answer}]`;
const others = [];


// A logged-in user who accepted all, with as many tabs as paths; how many streams are open is counted.
async function user(v, name, paths) {
    v.streams = 0;
    v.tabs = [v.page];
    for (const [event, more] of [['request', 1], ['requestfinished', -1], ['requestfailed', -1]]) {
        v.context.on(event, request => { v.streams += /\/privacy\/events$/.test(request.url()) ? more : 0; });
    }
    await v.open(`/login?user=${name}`);
    if (await v.banner()) {
        await v.press('accept_all');
    }
    await v.open(paths[0]);
    for (const path of paths.slice(1)) {
        const page = await v.context.newPage();
        v.listen(page);
        await page.goto(v.origin + path);
        v.tabs.push(page);
    }
    return v;
}


async function another(name, paths, options) {
    const v = await visitor(options);
    others.push(v);
    return user(v, name, paths);
}


// How long until it is so in all of these tabs; what is judged is a generous cap, what is printed is what was measured.
async function until(tabs, state, what, cap = 15000) {
    const from = clock();
    await Promise.all(tabs.map(page => page.locator(panel).waitFor({ state, timeout: cap })));
    const took = Math.round(clock() - from);
    process.stdout.write(`${what}: ${took} ms\n`);
    return took;
}


async function shows(page) {
    return page.locator(panel).isVisible();
}


// Who was away is told at the next page, or at the one after, when it was looked up what they know.
async function told(v, load) {
    await eventually(async () => {
        await load();
        return shows(v.page);
    });
    await v.page.locator(panel).waitFor();
}


async function says(page, pattern, name) {
    await page.locator(`${panel} .privacy-done, ${panel} .privacy-message`).first().waitFor();
    like(await page.locator(panel).innerText(), pattern, name);
}


async function allows(page, purpose) {
    return page.evaluate(id => window.privacy.ready().then(() => window.privacy.allows(id)), purpose);
}


// A stream is there once the panel's words are.
async function streaming(v) {
    await eventually(() => v.streams);
    await v.page.waitForTimeout(500);
}


async function closeOthers() {
    await Promise.all(others.splice(0).map(v => v.close()));
}


await scenario('a change while pages are open', { scripts: true }, async v => {
    const alice = await user(v, `alice${v.n}`, ['/', '/csp']);
    const phone = await another(`alice${v.n}`, ['/hours']);
    const bob = await another(`bob${v.n}`, ['/zh', '/zh?tab=2'], { locale: 'zh-CN' });
    const all = [...alice.tabs, ...phone.tabs, ...bob.tabs];
    await Promise.all([alice, phone, bob].map(streaming));
    is([alice, phone, bob].map(u => u.streams), [1, 1, 1], 'one stream for all tabs of a browser');

    await harness('publish urgent');
    await until(all, 'visible', 'published, shown in five tabs of three browsers');
    const text = await alice.tabs[0].locator(panel).innerText();
    like(text, /Change \d+: kept for longer/, 'it says what changed');
    like(text, /“Agree” allows: Advertising\./, 'what agreeing allows');
    like(text, /“Decline” switches off: Advertising\./, 'what declining switches off');
    like(text, /Effective date: \d{4}-\d\d-\d\d\./, 'and from when');
    like(await bob.tabs[1].locator(panel).innerText(), /第 \d+ 次变更[^]*“同意”将允许：广告与营销。/, 'in the reader\'s language');
    is(await bob.tabs[0].locator(panel).getAttribute('lang'), 'zh-CN', 'which it names');
    is(await alice.tabs[0].evaluate(() => document.activeElement === document.body), true, 'the focus is not taken');
    is(alice.errors.filter(line => /content security policy/i.test(line)), [], 'nothing of it is blocked by a strict policy');

    const diff = await alice.tabs[0].locator(`${panel} a[href*="diff/mine"]`).getAttribute('href');
    const redline = await alice.context.newPage();
    is((await redline.goto(new URL(diff, alice.origin).href)).status(), 200, 'the redline since what binds the reader is there');
    await redline.close();

    const sizes = await alice.tabs[0].locator(`${panel} .privacy-buttons button`).evaluateAll(buttons =>
        buttons.map(b => [Math.round(b.offsetWidth), b.offsetHeight, getComputedStyle(b).backgroundColor].join()));
    is([sizes.length, new Set(sizes).size], [3, 1], 'its three ways weigh the same');

    is(await allows(alice.tabs[1], 'marketing'), false, 'what changed is off until it is answered');
    await alice.tabs[1].bringToFront();
    await alice.tabs[1].locator(button('agree')).click();
    await alice.tabs[1].locator(`${panel} .privacy-done`).waitFor();
    const took = await until([alice.tabs[0], ...phone.tabs], 'detached', 'answered, closed in the other tab and on the phone');
    ok(took <= 2000, 'closed on the other device within 2 s', `${took} ms`);
    await says(alice.tabs[1], /You agreed[^]*Allowed: Advertising/, 'it says what happened');
    await alice.tabs[1].locator(`${panel} button`).click();
    is(await shows(alice.tabs[1]), false, 'and goes');
    await alice.tabs[1].waitForFunction(() => window.privacy.allows('marketing'));
    ok(true, 'the page\'s scripts know what is allowed now');
    ok(await shows(bob.tabs[0]), 'another user still has it');

    await bob.tabs[0].bringToFront();
    await bob.tabs[0].locator(button('decline')).click();
    await until([bob.tabs[1]], 'detached', 'declined, closed in the other tab');
    await says(bob.tabs[0], /您已选择不同意[^]*已关闭：广告与营销/, 'it says what happened, in Chinese');
    await bob.open('/zh?then');
    is([await shows(bob.page), await bob.banner()], [false, false], 'neither notice nor banner asks again');
    is([await allows(bob.page, 'marketing'), await allows(bob.page, 'analytics')], [false, true],
        'what was refused is off, the rest as it was');
    await phone.open('/hours?then');
    is([await shows(phone.page), await phone.banner()], [false, false], 'nor on the other device');
    is(await allows(phone.page, 'marketing'), true, 'where what was agreed to holds');
    await closeOthers();
});


await scenario('at the next page', async v => {
    const names = ['ann', 'ben', 'cat'].map(name => `${name}${v.n}`);
    const people = [await user(v, names[0], ['/'])];
    people.push(await another(names[1], ['/'], { scripts: v.scripts }));
    people.push(await another(names[2], ['/'], { scripts: v.scripts }));
    await Promise.all(people.map(person => person.page.goto('about:blank')));
    await harness('publish urgent');

    for (const [i, answer] of ['agree', 'decline', 'later'].entries()) {
        const person = people[i];
        await told(person, () => person.open('/hours?x=1'));
        ok(true, 'who was away is told');
        if (v.scripts) {
            await streaming(person);
        }
        await person.page.locator(button(answer)).click();
        if (v.scripts) {
            await says(person.page, /You agreed|You declined|Nothing was decided/, `${answer}: says what happened`);
        } else {
            await person.page.waitForLoadState();
        }
        is(person.where(), '/hours?x=1', `${answer}: back where they were`);
        await person.open('/');
        is(await shows(person.page), false, `${answer}: not shown again`);
        await person.open('/hours');
        const marketing = person.received().flat().includes('track_id');
        is(marketing, answer === 'agree', `${answer}: and in effect`);
    }

    const cat = people[2];
    await cat.open('/logout');
    await cat.open('/');
    is(await shows(cat.page), false, 'who logged out has no notices');
    await cat.open(`/login?user=${names[2]}`);
    await told(cat, () => cat.open('/'));
    ok(true, 'later: asked again in the next session');
    await cat.open('/privacy/notices');
    like(await cat.text('main'), /Waits for your answer/, 'the list says so');
    await people[0].open('/privacy/notices');
    like(await people[0].text('main'), /You agreed on \d{4}/, 'and what was answered');
    await closeOthers();
});


await scenario('a change with its lead time', { scripts: true }, async v => {
    await user(v, `alice${v.n}`, ['/']);
    await streaming(v);
    await harness('publish lead');
    await until(v.tabs, 'visible', 'published, shown');
    is(await allows(v.page, 'marketing'), true, 'the old choice holds until then');
    await v.page.locator(button('agree')).click();
    await says(v.page, /You agreed/, 'can be agreed to in advance');
    await v.open('/');
    await v.open('/hours');
    is([await shows(v.page), await v.banner(), v.received().flat().includes('track_id')], [false, false, true],
        'and nothing else is asked');

    const other = await another(`bob${v.n}`, ['/'], { scripts: true });
    await until(other.tabs, 'visible', 'somebody who did not answer is shown it');
    await harness('publish withdrawal');
    await until(other.tabs, 'detached', 'withdrawn, closed where it was shown');
});


await scenario('fewer rights', async v => {
    await user(v, `alice${v.n}`, ['/']);
    await harness('publish rights');
    await told(v, () => v.open('/'));
    like(await v.text(panel), /binds you only if you agree/, 'it says that silence does not bind');
    if (v.scripts) {
        await streaming(v);
    }
    await v.page.locator(button('decline')).click();
    if (v.scripts) {
        await says(v.page, /You declined/, 'declined');
    } else {
        await v.page.waitForLoadState();
    }
    await v.open('/privacy/choices');
    like(await v.text('main'), /this version of the privacy policy still holds/, 'and the old version goes on to hold');
});


await scenario('an incident', async v => {
    await user(v, `alice${v.n}`, v.scripts ? ['/', '/hours'] : ['/']);
    const bob = await another(`bob${v.n}`, ['/zh'], { locale: 'zh-CN', scripts: v.scripts });
    const guest = await visitor({ scripts: v.scripts });
    others.push(guest);
    if (v.scripts) {
        await Promise.all([v, bob].map(streaming));
    }
    await harness('publish incident');

    if (v.scripts) {
        await until([...v.tabs, ...bob.tabs], 'visible', 'sent, shown');
    } else {
        for (const person of [v, bob]) {
            await told(person, () => person.page.reload());
        }
    }

    for (const part of ['What was done', 'What you can do', 'What remedy']) {
        await v.page.locator(`${panel} summary`, { hasText: part }).click();
    }
    const text = await v.text(panel);
    for (const said of ['Mail addresses could be read.', 'We closed it.', 'Change your password.', 'We pay for monitoring.']) {
        ok(text.includes(said), `says: ${said}`, text);
    }
    like(await bob.text(panel), /备份曾可被读取[^]*电子邮箱地址可能被读取/, 'in Chinese, too');
    is(await v.page.locator(button('decline')).count(), 0, 'nothing to decline');

    await guest.open('/public?i=1');
    const bar = guest.page.locator('#privacy-public');
    await bar.waitFor();
    ok(true, 'visitors have a bar');
    is(await guest.ours(), [], 'no cookie is set for it');
    await bar.locator('a').click();
    await guest.page.waitForURL(/\/privacy\/notices\/n\d+/);
    like(await guest.text('main'), /We closed it\./, 'that leads to the notice');
    if (v.scripts) {
        await guest.open('/public?i=2');
        await bar.locator('button').click();
        is(await bar.isVisible(), false, 'which can be closed');
        await guest.open('/public?i=3');
        is([await bar.count(), await bar.isVisible()], [1, false], 'for good');
    }

    await v.page.locator(button('acknowledge')).click();
    if (v.scripts) {
        await until([v.tabs[1]], 'detached', 'acknowledged, closed in the other tab');
        await says(v.page, /saved that you took note/, 'it says what happened');
    } else {
        await v.page.waitForLoadState();
    }
    await v.open('/');
    is(await shows(v.page), false, 'done with');
    ok(await shows(bob.page), 'the other user still has it');

    await harness('publish retraction');
    if (v.scripts) {
        await until(bob.tabs, 'detached', 'retracted, gone');
    }
    for (let i = 0; i < 50 && (await bob.open('/zh'), await shows(bob.page)); i++) {
        await bob.page.waitForTimeout(200);
    }
    is(await shows(bob.page), false, 'what was retracted is shown to nobody');
    await closeOthers();
});


await scenario('two users on one browser', { scripts: true }, async v => {
    const [alice, bob] = [`alice${v.n}`, `bob${v.n}`];
    await user(v, bob, ['/']);
    await v.open('/logout');
    await user(v, alice, ['/', '/hours']);
    await streaming(v);
    await harness('publish urgent');
    await until(v.tabs, 'visible', 'published, shown to her');

    await v.tabs[1].goto(v.origin + '/logout');
    await until([v.tabs[0]], 'detached', 'logged out in one tab, gone from the other');
    await v.tabs[1].goto(v.origin + '/');
    is(await shows(v.tabs[1]), false, 'nobody is shown it');

    await v.tabs[1].goto(v.origin + `/login?user=${bob}`);
    await v.tabs[1].locator(panel).waitFor();
    ok(true, 'he is shown his own');
    is(await shows(v.tabs[0]), false, 'her page stays without');
    await harness('publish statistics');
    await v.tabs[1].waitForTimeout(3000);
    is(await shows(v.tabs[0]), false, 'also when the next one comes');

    await v.tabs[1].goto(v.origin + '/');
    await v.tabs[1].locator(panel).waitFor();
    await v.context.clearCookies({ name: 'sessionid' });
    await v.tabs[1].goto(v.origin + '/hours');
    is(await shows(v.tabs[1]), false, 'a session that is gone takes its notices along');
    await v.tabs[1].waitForTimeout(1000);
    is(await shows(v.tabs[1]), false, 'for good');
});


await scenario('something is broken', { scripts: true }, async v => {
    await user(v, `alice${v.n}`, ['/']);
    await streaming(v);
    await harness('publish urgent');
    await until(v.tabs, 'visible', 'published, shown');

    await v.context.setOffline(true);
    await v.page.locator(button('agree')).click();
    await says(v.page, /You are offline, so nothing was sent/, 'offline: says so');
    ok(await v.page.locator(button('agree')).isVisible(), 'nothing is lost');
    await v.context.setOffline(false);

    await harness('pause redis');
    await v.page.locator(button('agree')).click();
    await v.page.locator(`${panel} .privacy-message`, { hasText: /cannot be|No answer|could not/ }).waitFor({ timeout: 30000 });
    ok(await v.page.locator(button('decline')).isVisible(), 'no store: says so, and nothing is lost');
    await harness('resume redis');
    await v.page.waitForTimeout(1000);
    for (let i = 0; i < 20 && !await v.page.locator(`${panel} .privacy-done`).count(); i++) {
        await v.page.locator(button('agree')).click({ timeout: 2000 }).catch(() => {});
        await v.page.waitForTimeout(1000);
    }
    await says(v.page, /You agreed/, 'it is taken when the store is back');
});


await scenario('an origin where pages cannot lock', { scripts: true, origin: facts.named }, async v => {
    await user(v, `alice${v.n}`, ['/', '/hours', '/zh']);
    is(await v.page.evaluate(() => !!navigator.locks), false, 'it is one');
    await streaming(v);
    await v.page.waitForTimeout(1500);
    await eventually(() => v.streams === 1);
    ok(v.streams === 1, 'one stream all the same', `${v.streams}`);
    await harness('publish urgent');
    await until(v.tabs, 'visible', 'published, shown in three tabs');
    await v.tabs[2].locator(button('later')).click();
    await until(v.tabs.slice(0, 2), 'detached', 'put off, closed in the others');
    await says(v.tabs[2], /Nothing was decided/, 'it says what happened');
});


for (const [locale, path] of [['en-GB', '/'], ['zh-CN', '/zh']]) {
    for (const colorScheme of ['light', 'dark']) {
        const options = { scripts: true, locale, colorScheme, viewport: { width: 320, height: 640 } };

        await scenario(`accessible, ${locale}, ${colorScheme}, 320 pixels wide`, options, async v => {
            await user(v, `alice${v.n}`, [path]);
            await streaming(v);
            await harness('publish urgent');
            await until(v.tabs, 'visible', 'published, shown');
            is(await v.violations(panel), [], 'the panel');
            const box = await v.page.locator(panel).boundingBox();
            ok(box.x >= 0 && box.x + box.width <= 320 && box.height <= 0.8 * 640, 'fits', JSON.stringify(box));
            await v.open(path);
            await v.page.locator(`${panel}.privacy-bar`).waitFor();
            is(await v.violations(panel), [], 'the bar');
            const over = await v.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            ok(over <= 0, 'does not scroll sideways', `${over}`);
            await v.page.locator(button('decline')).click();
            await v.page.locator(`${panel} .privacy-done`).waitFor();
            is(await v.violations(panel), [], 'what happened');
            await v.open('/privacy/notices');
            is(await v.violations(), [], 'the list');
            await v.page.locator('.notices a').first().click();
            await v.page.waitForURL(/notices\/v\d+/);
            is(await v.violations(), [], 'one of them');
        });
    }
}


await scenario('by keyboard only', { scripts: true }, async v => {
    await user(v, `alice${v.n}`, ['/']);
    await streaming(v);
    await harness('publish urgent');
    await until(v.tabs, 'visible', 'published, shown');
    for (let i = 0; i < 12 && !await v.page.evaluate(s => document.activeElement.matches(s), button('later')); i++) {
        await v.page.keyboard.press('Tab');
    }
    await v.page.keyboard.press('Enter');
    await says(v.page, /Nothing was decided/, 'a button is reached and pressed');
    is(await v.page.evaluate(() => document.activeElement.textContent), 'Close', 'the focus is not lost');
    await v.page.keyboard.press('Enter');
    is(await shows(v.page), false, 'and it is closed');
});


await end();
