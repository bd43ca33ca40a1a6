// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Redis hangs while a visitor chooses: nothing is claimed that is not so, and a refusal holds all the same.

import { end, eventually, harness, is, like, ok, scenario } from './lib/browser.mjs';

const necessary = ['csrftoken', 'sessionid'];
const all = ['_ga', ...necessary, 'track_id'].sort();


// nginx speaks to Redis again, and says so.
async function back(v) {
    await harness('resume redis');
    return eventually(async () => {
        const { redis } = await (await v.page.request.get(`${v.origin}/status`)).json();
        return redis.connected && redis.endpoints.every(({ breaker }) => breaker === 'closed');
    });
}


await scenario('accept while Redis hangs', async v => {
    await v.open('/hours?f=1');
    await harness('pause redis');
    try {
        const posted = await v.press('accept_all');
        is(posted.status(), 503, 'is not taken');
        const said = await v.text(v.scripts ? '#privacy-banner .privacy-message' : 'main');
        like(said, /not saved/i, 'and the visitor told so');
        is((await v.ours()).length, 0, 'no cookie claims it');
        await v.open('/hours?f=2');
        ok(await v.banner(), 'pages are served, with the banner');
        await v.open('/');
        is(v.received(), [necessary], 'nothing optional arrives');
    } finally {
        await back(v);
    }

    await v.open('/hours?f=3');
    await v.press('accept_all');
    await v.open('/');
    await v.open('/');
    is(v.received(), [all], 'later it is taken');
});


await scenario('reject while Redis hangs', async v => {
    await v.open('/hours?f=4');
    await v.press('accept_all');
    await v.open('/privacy/choices');
    await harness('pause redis');
    try {
        const posted = await v.press('reject_all');
        is(posted.status(), 503, 'is not recorded yet');
        like(await v.text('main'), /in effect/i, 'but in effect, and the visitor is told both');
        await v.open('/');
        await v.open('/');
        is(v.received(), [necessary], 'it holds');
        is(await v.cookies(), necessary, 'in the browser too');
        is(await v.banner(), false, 'nobody is asked again');
    } finally {
        await back(v);
    }

    const arrived = new Set();
    const recorded = await eventually(async () => {
        await v.open('/');
        arrived.add(v.received().join(' '));
        await v.open('/privacy/choices');
        return !/not yet recorded/i.test(await v.text('main'));
    });
    ok(recorded, 'it is recorded afterwards');
    await v.open('/');
    arrived.add(v.received().join(' '));
    is([...arrived], [necessary.join()], 'and goes on to hold');
});


await end();
