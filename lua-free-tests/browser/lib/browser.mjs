// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Scenarios in a real browser. Each gets a visitor of its own: an empty browser, with scripts or without.
//
//     await scenario('accept', async v => {
//         await v.open('/');
//         await v.press('accept_all');
//         is(await v.banner(), false, 'the banner is gone');
//     });
//     await end();
//
// What is judged is the browser's own record: the cookies that it holds, the headers of its requests and of their
// answers as they were on the wire, and what the shop behind nginx received.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

export const facts = JSON.parse(process.env.BROWSER_SPEC);

const require = createRequire(facts.modules);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// Nothing but the machine itself can be reached, whatever a page asks for.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    `--host-resolver-rules=MAP *.example ${facts.address}, MAP * ~NOTFOUND, EXCLUDE 127.*`];
const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';

const browser = await chromium.launch({ executablePath, args });
let another;

// A browser that keeps pages in memory to go back to, as browsers outside of tests do.
export async function keeping() {
    another ??= await chromium.launch({ executablePath, args, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    return another;
}

let where = '';
let visitors = 0;


function tell(ok, name, why) {
    process.stdout.write(JSON.stringify({ ok: !!ok, name: `${where}: ${name}`, why }) + '\n');
    return ok;
}


export function ok(value, name, why) {
    return tell(value, name, why);
}


export function is(got, expected, name) {
    return tell(isDeepStrictEqual(got, expected), name, `got ${JSON.stringify(got)}\nexpected ${JSON.stringify(expected)}`);
}


export function like(got, pattern, name) {
    return tell(pattern.test(got), name, `got ${JSON.stringify(got)}\nexpected ${pattern}`);
}


// Options: scripts (true, false, default both), and what a visitor takes.
export async function scenario(name, options, play) {
    if (process.env.ONLY && !name.includes(process.env.ONLY)) {
        return;
    }
    if (typeof options === 'function') {
        [play, options] = [options, {}];
    }

    for (const scripts of options.scripts === undefined ? [true, false] : [options.scripts]) {
        where = `${name}, scripts ${scripts ? 'on' : 'off'}`;
        const v = await visitor({ ...options, scripts });
        try {
            await play(v);
        } catch (error) {
            tell(false, 'came to its end', error.stack);
            await v.picture();
        }
        await v.close();
    }
}


export async function end() {
    await browser.close();
    await another?.close();
    process.stdout.write('{"end":1}\n');
}


// Options: scripts, origin, headers, and those of playwright's newContext.
export async function visitor({ scripts = true, origin = facts.origin, headers = {},
    browser: which, ...more } = {}) {
    const n = ++visitors;
    const context = await (which ? await which() : browser).newContext({
        javaScriptEnabled: scripts,
        ignoreHTTPSErrors: true,
        locale: 'en-GB',
        extraHTTPHeaders: { 'X-Real-IP': `10.${1 + (process.pid & 127)}.${n}.1`, 'Accept-Language': 'en', ...headers },
        ...more,
    });
    context.setDefaultTimeout(10000);
    const page = await context.newPage();
    return new Visitor({ context, page, scripts, origin, n });
}


class Visitor {
    constructor(fields) {
        Object.assign(this, fields);
        this.requests = [];
        this.errors = [];
        this.listen(this.page);
    }


    listen(page) {
        page.on('request', request => this.requests.push(request));
        page.on('pageerror', error => this.errors.push(String(error)));
        page.on('console', line => line.type() === 'error' && this.errors.push(line.text()));
    }


    // A navigation; what comes before it is forgotten, in the shop's record too.
    async open(path, options) {
        this.requests = [];
        this.seen = upstream().length;
        this.answer = await this.page.goto(path.startsWith('http') ? path : this.origin + path, options);
        return this.answer;
    }


    async banner() {
        return this.page.locator('#privacy-banner').isVisible();
    }


    // A choice on the banner or on the choices page, as a visitor makes it; resolves when it is done.
    async press(choice) {
        const button = this.page.locator(`button[name=choice][value=${choice}]`);
        const inPlace = this.scripts && await this.page.locator('#privacy-banner').count();
        const posted = this.page.waitForResponse(answer => answer.request().method() === 'POST');

        this.requests = [];
        this.seen = upstream().length;
        if (inPlace) {
            await button.click();
            this.posted = await posted;
            await this.posted.finished();
            await this.page.waitForFunction(() => !document.querySelector('#privacy-banner [aria-disabled=true]'));
        } else {
            await Promise.all([this.page.waitForNavigation(), button.click()]);
            this.posted = await posted;
        }
        return this.posted;
    }


    // Names of what the browser holds, without what is ours.
    async cookies() {
        return (await this.context.cookies()).map(cookie => cookie.name).filter(name => !ours(name)).sort();
    }


    async ours() {
        return (await this.context.cookies()).filter(cookie => ours(cookie.name));
    }


    async setCookies(answer = this.answer) {
        return (await answer.headersArray()).filter(header => header.name.toLowerCase() === 'set-cookie')
            .map(header => header.value).flatMap(value => value.split('\n'));
    }


    // Names in Cookie of the last page request, as it left the browser.
    async sent() {
        return names((await this.answer.request().allHeaders()).cookie || '');
    }


    // Names in Cookie as the shop got them, of each of this visitor's page requests since the last step.
    received() {
        return upstream().slice(this.seen)
            .filter(request => header(request, 'X-Real-IP') === undefined || header(request, 'X-Real-IP').startsWith('10.'))
            .filter(request => !/\.(css|js|ico)$/.test(request.uri))
            .map(request => names(header(request, 'Cookie') || ''));
    }


    // Every choice that Redis would have to forget: violations of the rules of accessibility.
    async violations() {
        await this.page.evaluate(axe);
        const result = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        return result.violations.map(v => `${v.id}: ${v.nodes.map(node => node.target.join(' ')).slice(0, 3).join(', ')}`);
    }


    async picture() {
        mkdirSync(facts.screenshots, { recursive: true });
        await this.page.screenshot({ path: `${facts.screenshots}/${this.n}.png` }).catch(() => {});
    }


    async close() {
        await this.context.close();
    }
}


function ours(name) {
    return /^(__Host-|__Secure-)?privacy(-|$)/.test(name);
}


function names(cookie) {
    return cookie.split(/;\s*/).filter(Boolean).map(pair => pair.split('=')[0]).sort();
}


export function header(request, name) {
    const found = request.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase());
    return found.length ? found.map(([, value]) => value).join(', ') : undefined;
}


// What the shop behind nginx received, oldest first.
export function upstream() {
    return readFileSync(facts.log, { encoding: 'latin1', flag: 'a+' }).split('\n').filter(Boolean).map(line => JSON.parse(line));
}


rmSync(facts.screenshots, { recursive: true, force: true });
