#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Terms that reduce rights bind only who agrees to them; agreeing decides no purpose.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('terms');
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html; charset=utf-8'],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    add_header X-Bound "<$privacy_bound_version>" always;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Version "<$privacy_version>" always;
    add_header X-State "<$privacy_state>" always;
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->start;

my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.7.' . ++$network . '.1'], @_) }
sub seen    { my ($v, $name) = @_; return $v->get('/')->header("X-$name") }
sub state   { my ($v) = @_; return json($v->get('/privacy/choices', Accept => 'application/json')->body) }
sub agree   { my ($v, $token) = @_; return $v->post('/privacy/choices', { token => $token, choice => 'agree' }) }

sub ledger {
    my ($v) = @_;
    my ($subject) = seen($v, 'Subject') =~ /^<(.+)>$/;
    my ($status, $out) = $t->ctl('ledger', $t->ctl_site, '--keys', $t->keys_dir . '/keys', $subject, '--json');
    is($status, 0, 'the ledger holds') or diag($out);
    return @{json($out)->{records}};
}

sub publish {
    my ($version, $changes, @options) = @_;
    $t->publish($t->bundle(version => "$version", @$changes), @options);
    ok(wait_for(sub { $t->get('/')->header('X-Version') eq "<$version>" }), "version $version is in force");
}

my @editorial = (changes => [{ kind => 'editorial' }]);
my @rights = (changes => [{ kind => 'rights', summary => { 'zh-CN' => 'x', en => 'x' } }], reduces_rights => \1);

my $v = visitor();
my $refuser = visitor();
$v->get('/');
$v->choose('accept_all');
$refuser->get('/');
$refuser->choose('reject_all');
is(seen($v, 'Bound'), '<2026-01-01>', 'the version chosen on binds');

publish(2, \@editorial);
is(seen($v, 'Bound'), '<2>', 'and moves along by itself');

publish(3, \@rights, '--urgent', 'x');
is(seen($v, 'Bound'), '<2>', 'but not to one that reduces rights');
my $early = state($v)->{token};

publish(4, \@editorial);
is(seen($v, 'Bound'), '<2>', 'nor past it');

$v->get('/privacy/choices');
is($v->choose('custom', purpose => ['analytics'])->status, 303, 'a choice on cookies');
is(seen($v, 'Bound'), '<2>', 'is none on terms');
is(seen($v, 'Consent'), '<analytics>', 'it is recorded all the same');

# Agreeing: offered apart from the choices, with a form of its own

my $page = $v->get('/privacy/choices')->body;
like($page, qr{<button name="choice" value="agree">}, 'the choices page offers to agree');
like($page, qr{href="/privacy/diff/mine/current}, 'and says where to see what changed');
unlike(visitor()->get('/privacy/choices')->body, qr/value="agree"/, 'but not to who is bound to nothing');
my ($button) = $page =~ m{(<form(?:(?!</form>).)*value="agree".*?</form>)}s;
my ($agree_token) = $button =~ /name="token" value="([^"]+)"/;
ok($agree_token, 'its form has a token');

my $token = state($v)->{token};
is(agree(visitor(), $token)->status, 409, 'another visitor\'s form agrees to nothing');
is($v->post('/privacy/choices', { token => $token, choice => 'agree' }, 'Sec-Fetch-Site' => 'cross-site')->status, 403,
    'nor does another site');
is(seen($v, 'Bound'), '<2>', 'nothing was agreed to');

my $r = agree($v, $agree_token);
is($r->status, 303, 'agreed');
is(scalar(grep { $t->redis->command('GET', $_) =~ /"kind":"agree"/ } @{$t->redis->command('KEYS', '*:form:*')}), 1,
    'the form that was shown is kept');
unlike($v->get('/privacy/choices')->body, qr/value="agree"/, 'nothing more to agree to');
is_deeply([$r->cookies], ['privacy'], 'with the cookie that says so');
is(seen($v, 'Bound'), '<4>', 'now it binds');
is(seen($v, 'Consent'), '<analytics>', 'and the purposes are as they were');
is(seen($v, 'State'), '<current>', 'nothing is asked again');

my @records = ledger($v);
is($records[-1]{how}, 'agree', 'recorded as what it is');
is($records[-1]{bound_version}{sequence}, 4, 'with the version agreed to');
like($records[-1]{carried_days}, qr/^[01]$/, 'and the age of what is carried along');

is(agree($v, $token)->status, 303, 'the same form again');
is(scalar(ledger($v)), scalar(@records), 'is no new record');
is(agree($v, $early)->status, 303, 'an older form');
is(seen($v, 'Bound'), '<4>', 'binds nobody back');

# Who refused everything has nothing granted by agreeing

is(agree($refuser, state($refuser)->{token})->status, 303, 'who refused can agree to terms');
is(seen($refuser, 'Consent'), '<>', 'and still refuses');
is(seen($refuser, 'Bound'), '<4>', 'bound');

# Withdrawn stays withdrawn

$v->get('/privacy/choices');
$v->choose('withdraw');
publish(5, \@rights, '--urgent', 'x');
is(agree($v, state($v)->{token})->status, 303, 'who withdrew can agree');
is(seen($v, 'State'), '<withdrawn>', 'and stays withdrawn');
is(seen($v, 'Bound'), '<5>', 'bound');

# Nothing is said to be agreed to that is not saved

publish(6, \@rights, '--urgent', 'x');
$token = state($v)->{token};
$t->redis->kill;
$r = agree($v, $token);
is($r->status, 503, 'Redis is away: not agreed');
is_deeply([$r->cookies], [], 'no cookie says otherwise');
is(seen($v, 'Bound'), '<5>', 'what bound before binds');

$t->allow(qr/privacy/);
$t->finish;
