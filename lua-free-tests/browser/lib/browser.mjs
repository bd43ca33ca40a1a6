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
// What is judged is the browser's own record: the cookies that it holds, the headers of its requests and of
// their answers as they were on the wire, and what the shop behind nginx received.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

export const facts = JSON.parse(process.env.BROWSER_SPEC);

const require = createRequire(facts.modules);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// Nothing but the machine itself can be reached, whatever a page asks for.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update',
    `--host-resolver-rules=MAP *.example ${facts.address}, MAP * ~NOTFOUND, EXCLUDE 127.*`];
const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';

const browser = await chromium.launch({ executablePath, args });
let another;

// A browser that keeps pages in memory to go back to, as browsers outside of tests do.
export async function keeping() {
    const ignoreDefaultArgs = ['--disable-back-forward-cache'];
    another ??= await chromium.launch({ executablePath, args, ignoreDefaultArgs });
    return another;
}

let where = '';
let visitors = 0;

// What this process misses that wakes up now and then, it misses because the machine ran nobody, and nobody was slow.
let woken = performance.now();
let missed = 0;
setInterval(wake, 20).unref();


function wake() {
    const now = performance.now();
    if (now - woken > 100) {
        missed += now - woken - 20;
    }
    woken = now;
}


function tell(ok, name, why) {
    process.stdout.write(JSON.stringify({ ok: !!ok, name: `${where}: ${name}`, why }) + '\n');
    return ok;
}


export function ok(value, name, why) {
    return tell(value, name, why);
}


export function is(got, expected, name) {
    const why = `got ${JSON.stringify(got)}\nexpected ${JSON.stringify(expected)}`;
    return tell(isDeepStrictEqual(got, expected), name, why);
}


// Milliseconds that went by, without those.
export function clock() {
    wake();
    return performance.now() - missed;
}


// Asked again and again until it is so; what it was at last.
export async function eventually(condition, cap = 20000) {
    for (const from = performance.now(); ;) {
        const value = await condition();
        if (value || performance.now() - from > cap) {
            return value;
        }
        await new Promise(resolve => setTimeout(resolve, 100));
    }
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
    const address = `10.${1 + (process.pid & 127)}.${n}.1`;
    const context = await (which ? await which() : browser).newContext({
        javaScriptEnabled: scripts,
        ignoreHTTPSErrors: true,
        locale: 'en-GB',
        extraHTTPHeaders: { 'X-Real-IP': address, ...headers },
        ...more,
    });
    context.setDefaultTimeout(10000);
    const page = await context.newPage();
    return new Visitor({ context, page, scripts, origin, address, n });
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


    // Path and query of where the visitor is.
    where() {
        const { pathname, search } = new URL(this.page.url());
        return pathname + search;
    }


    async text(selector) {
        return this.page.locator(selector).innerText();
    }


    async banner() {
        return this.page.locator('#privacy-banner').isVisible();
    }


    // A choice on the banner or on the choices page, as a visitor makes it; resolves when it is done.
    async press(choice) {
        const button = this.page.locator(`button[name=choice][value=${choice}]`);
        const inPlace = this.scripts && await this.page.locator('#privacy-banner').count();
        this.requests = [];
        this.seen = upstream().length;
        const posted = this.page.waitForResponse(answer => answer.request().method() === 'POST');
        const left = inPlace ? null : this.page.waitForNavigation();
        [this.posted] = await Promise.all([posted, left, button.click()]);
        if (inPlace) {
            await this.posted.finished();
            await this.page.waitForFunction(
                () => !document.querySelector('#privacy-banner [aria-disabled=true]'));
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
            .filter(request => header(request, 'X-Real-IP') === this.address)
            .filter(request => !/\.(css|js|ico)$/.test(request.uri))
            .map(request => names(header(request, 'Cookie') || ''));
    }


    // What breaks the rules of accessibility, in the whole page or in a part of it.
    async violations(part) {
        await this.page.evaluate(axe);
        const result = await this.page.evaluate(root => window.axe.run(root ? { include: [root] } : document,
            { resultTypes: ['violations'] }), part);
        const place = node => `${node.target.join(' ')} (${node.failureSummary})`;
        return result.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(place).join('; ')}`);
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
    const text = readFileSync(facts.log, { encoding: 'latin1', flag: 'a+' });
    return text.split('\n').filter(Boolean).map(line => JSON.parse(line));
}


// Has the harness do something, such as "pause redis"; resolves when it is done.
export async function harness(what) {
    const answered = new Promise(resolve => process.stdin.once('data', resolve));
    process.stdin.resume();
    process.stdout.write(JSON.stringify({ do: what }) + '\n');
    const said = await answered;
    process.stdin.pause();
    if (!`${said}`.startsWith('done')) {
        throw new Error(`the harness could not ${what}`);
    }
}


rmSync(facts.screenshots, { recursive: true, force: true });
