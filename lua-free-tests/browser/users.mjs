// Copyright (C) ngx_privacy_module authors
// SPDX-License-Identifier: BSD-2-Clause

// Logged-in users: each on one browser after the other, each on a second device.

import { end, is, ok, scenario, visitor } from './lib/browser.mjs';

const necessary = ['csrftoken', 'sessionid'];
const all = ['_ga', ...necessary, 'track_id'].sort();
const optional = name => !necessary.includes(name);


await scenario('two users on one browser', async v => {
    const [alice, bob] = ['alice', 'bob'].map(name => `${name}${v.n}`);

    await v.open(`/login?user=${alice}`);
    ok(await v.banner(), 'alice is asked');
    await v.press('accept_all');
    await v.open('/');
    is(await v.cookies(), all, 'she accepted');

    const phone = await visitor({ scripts: v.scripts });
    await phone.open(`/login?user=${alice}`);
    is(await phone.banner(), false, 'her second device does not ask again');
    await phone.open('/');
    await phone.open('/hours');
    is(phone.received(), [all], 'her choice is there already');

    await v.open('/logout');
    await v.open('/');
    is(v.received(), [necessary], 'logged out: nothing of hers arrives');
    is((await v.cookies()).filter(optional), [], 'nothing optional stays in the browser');
    ok(await v.banner(), 'whoever sits there now is asked');

    await v.open(`/login?user=${bob}`);
    ok(await v.banner(), 'bob is asked, though she accepted here');
    is(v.received().flat().filter(optional), [], 'nothing optional arrives for him');
    await v.press('reject_all');
    await v.open('/');
    is(await v.banner(), false, 'he rejects');
    is(await v.cookies(), necessary, 'and that holds');

    await phone.open('/');
    await phone.open('/');
    is(phone.received(), [all], 'which is no business of hers');

    await v.open('/logout');
    await v.open(`/login?user=${alice}`);
    is(await v.banner(), false, 'she is back on the shared browser');
    await v.open('/');
    is(await v.cookies(), all, 'with her own choice');

    await v.open('/privacy/choices');
    await v.press('withdraw');
    await phone.page.waitForTimeout(2000);
    await phone.open('/');
    await phone.open('/');
    is(phone.received(), [necessary], 'what she withdraws here is withdrawn on her phone');
    is(await phone.cookies(), necessary, 'and gone from it');
    await phone.close();
});


await scenario('a guest who logs in', async v => {
    const bob = `bob${v.n}`;

    await v.open('/');
    await v.press('accept_all');
    await v.open('/');
    is(await v.cookies(), all, 'accepted as a guest');
    await v.open(`/login?user=${bob}`);
    await v.open('/');
    is(v.received().flat().filter(optional), [], 'is somebody else now');
    is(await v.cookies(), necessary, 'with his own choice');
});


await scenario('a session that is gone', async v => {
    const alice = `alice${v.n}`;

    await v.open(`/login?user=${alice}`);
    await v.open('/privacy/choices');
    await v.press('accept_all');
    await v.open('/');
    await v.context.clearCookies({ name: 'sessionid' });
    await v.open('/');
    await v.open('/');
    is(v.received().flat().filter(optional), [], 'takes the choice with it');
    ok(await v.banner(), 'who comes next is asked');
});


await end();
