#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Making a choice: what is recorded, what is refused and with which words, races, and forms that were passed by.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('choice', workers => 2);
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html; charset=utf-8', 'Set-Cookie' => '_ga=1; Path=/'],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => <<'HTTP'));
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
    server {
        listen %%LISTENbalanced%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_origin https://www.example;
        location / { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { privacy_center; client_body_buffer_size 64; }
    }
HTTP
$t->start;

# Every address prefix has its own bucket of choices: each visitor comes from another one.
my $network = 0;
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '10.1.' . ++$network . '.1'], @_) }
sub subject { my ($v) = @_; return $v->get('/')->header('X-Subject') =~ /^<(.*)>$/ ? $1 : '' }
sub consent { my ($v) = @_; return $v->get('/')->header('X-Consent') }
sub records { my ($subject) = @_; return $t->redis->command('HLEN', "privacy:{example:$subject}:ledger") }
sub state   { my ($v) = @_; return json($v->get('/privacy/choices', Accept => 'application/json')->body) }

sub send_json {
    my ($v, $body, @headers) = @_;
    return $v->post('/privacy/choices', JSON::PP->new->utf8->encode($body), 'Content-Type' => 'application/json',
        Accept => 'application/json', @headers);
}

sub ledgers { return scalar @{$t->redis->command('KEYS', '*:ledger')} }

# Nothing before a choice

my $v = visitor();
my $r = $v->get('/');
is_deeply([$r->cookies], [], 'a visitor without a choice gets no cookie');
is(ledgers(), 0, 'and no record');

# Saved, and only then said

$r = $v->choose('accept_all');
is($r->status, 303, 'a choice is answered by a redirect');
is($r->header('Location'), '/', 'back to where the banner was');
is_deeply([$r->cookies], ['privacy'], 'with the consent cookie');
like($r->header('Cache-Control'), qr/no-store/, 'and for nobody else');
is(consent($v), '<analytics,marketing>', 'accept all: without what is separate');

my $subject = subject($v);
is(records($subject), 1, 'one record');
cmp_ok($t->redis->command('TTL', "privacy:{example:$subject}:ledger"), '>', (180 + 1095) * 86400 - 60, 'that expires');
my $form = $t->redis->command('KEYS', 'privacy:example:form:*');
is(scalar @$form, 1, 'the form that was shown is kept');
like($t->redis->command('GET', $form->[0]), qr/"version":"2026-01-01"/, 'with its version');

my %old = $v->form;

# Further choices append

$v->get('/privacy/choices');
$r = $v->choose('custom', purpose => ['analytics', 'profile']);
is($r->header('Location'), '/privacy/choices?saved=1&lang=zh-CN', 'back to the choices page');
is(consent($v), '<analytics,profile>', 'a choice of one\'s own');
is(records($subject), 2, 'appended');
like($v->get($r->header('Location'))->body, qr/class="note good"/, 'the page says that it is saved');

$v->get('/privacy/choices');
$r = $v->choose('custom', purpose => ['analytics', 'profile']);
is($r->status, 303, 'the same choice again');
is(records($subject), 2, 'is no new record');

# Withdrawing, and what came before it

$v->get('/privacy/choices');
my %before = $v->form;
$r = $v->choose('withdraw');
is($r->status, 303, 'withdrawn');
is(consent($v), '<>', 'everything is off');
is(state($v)->{standing}, 'withdrawn', 'and it is said so');
is(records($subject), 3, 'and recorded');

$r = $v->post('/privacy/choices', { %before, choice => 'accept_all' });
is($r->status, 409, 'an accept from before the withdrawal is refused');
like($r->body, qr/role="alert"/, 'with the reason');
like($r->body, qr/name="token" value="[^"]+"/, 'and a fresh form');
is(consent($v), '<>', 'nothing came back');
is(records($subject), 3, 'nothing was recorded');

$v->post('/privacy/choices', { %before, choice => 'accept_all' });
$r = $v->choose('accept_all');
is($r->status, 303, 'the fresh form is good');
is(consent($v), '<analytics,marketing>', 'and counts');

$r = $v->post('/privacy/choices', { %before, choice => 'reject_all' });
is($r->status, 303, 'a refusal from an old form is kept');
is(consent($v), '<>', 'and holds');
is(records($subject), 5, 'in the chain');

# With the cookie thrown away, an old form is nobody's

$v->forget;
$r = $v->post('/privacy/choices', { %before, choice => 'accept_all' });
is($r->status, 409, 'an accept for a ledger that the browser has forgotten');
is_deeply([$r->cookies], [], 'sets nothing');

# JSON

$v = visitor();
my $state = state($v);
is($state->{standing}, 'undecided', 'state as JSON');
$r = send_json($v, { token => $state->{token}, choice => 'custom', purposes => { analytics => JSON::PP::true } });
is($r->status, 200, 'a choice as JSON');
is(json($r->body)->{saved}, JSON::PP::true, 'is answered as JSON');
is_deeply([map { $_->{id} } grep { $_->{decided} } @{json($r->body)->{state}{purposes}}], ['analytics'],
    'only what it names is decided');
$state = state($v);
my ($marketing) = grep { $_->{id} eq 'marketing' } @{$state->{purposes}};
ok($marketing->{asked}, 'the rest is still asked for');

# Bad input: refused with a plain sentence, and nothing is recorded

my $count = ledgers();

sub refused {
    my ($r, $status, $what) = @_;
    is($r->status, $status, "$what: $status");
    is_deeply([$r->cookies], [], "$what: no cookie");
}

sub with {
    my ($body, @headers) = @_;
    my $v = visitor();
    $v->get('/');
    my %form = $v->form;
    $body = { %form, choice => 'accept_all', %$body } if ref $body;
    return $v->post('/privacy/choices', $body, @headers);
}

$r = with({ token => '' });
refused($r, 400, 'no token');
like($r->body, qr/<p class="lead"[^>]*>[^<]{10,}/, 'in a plain sentence');
refused(with({ token => 'x' x 130 }), 400, 'a token that is none');
refused(with({ choice => 'perhaps' }), 400, 'an unknown choice');
refused(with({ choice => ['accept_all', 'reject_all'] }), 400, 'two choices');
refused(with({ choice => 'custom', purpose => ['telepathy'] }), 400, 'an unknown purpose');
refused(with('token=%zz', 'Content-Type' => 'application/x-www-form-urlencoded'), 400, 'a broken escape');
refused(with('{"token":', 'Content-Type' => 'application/json'), 400, 'broken JSON');
refused(with('[]', 'Content-Type' => 'application/json'), 400, 'JSON of another shape');
refused(with("{\"token\":\"\xff\"}", 'Content-Type' => 'application/json'), 400, 'JSON that is not UTF-8');
refused(with('hello', 'Content-Type' => 'text/plain'), 415, 'another type');
refused(with('hello'), 415, 'no type');
refused(with({ return => 'x' x 17_000 }), 413, 'too large');
refused(with("5\r\ntoken\r\n" . "4000\r\n" . ('x' x 0x4000) . "\r\n0\r\n\r\n", 'Transfer-Encoding' => 'chunked',
    'Content-Type' => 'application/x-www-form-urlencoded'), 413, 'too large, in chunks');
refused(with({}, 'Sec-Fetch-Site' => 'cross-site'), 403, 'from another site');
refused(with({}, 'Sec-Fetch-Site' => 'same-site'), 403, 'from a sibling');
refused(with({}, 'Sec-Fetch-Site' => 'none'), 403, 'typed');
refused(with({}, 'Sec-Fetch-Site' => undef), 403, 'from nowhere');
refused(with({}, 'Sec-Fetch-Site' => undef, Origin => 'null'), 403, 'Origin: null');
refused(with({}, 'Sec-Fetch-Site' => undef, Origin => 'https://evil.example'), 403, 'another Origin');
is(with({}, 'Sec-Fetch-Site' => 'same-origin', Origin => 'null')->status, 303,
    'Origin: null, but the browser says that it is ours');
is(with({}, 'Sec-Fetch-Site' => undef, Origin => 'http://' . $t->listen)->status, 303, 'our Origin');
is(ledgers(), $count + 2, 'what was refused left nothing');

$r = with('{"token":', 'Content-Type' => 'application/json', Accept => 'application/json');
is(json($r->body)->{error}, 'bad_form', 'the reason as JSON');
like(json($r->body)->{message}, qr/./, 'with the sentence');

# One character of the token

$v = visitor();
$v->get('/');
my %form = $v->form;
for my $at (0, 20, 60, length($form{token}) - 1) {
    my $token = $form{token};
    substr($token, $at, 1) = substr($token, $at, 1) eq 'A' ? 'B' : 'A';
    refused($v->post('/privacy/choices', { %form, token => $token, choice => 'accept_all' }), 400, "token changed at $at");
}

# Where to go back to

for my $away ('//evil.example/', '/\\evil.example/', 'https://evil.example/', "/a\r\nSet-Cookie: x=y", "/\t/evil.example",
    'javascript:alert(1)', '')
{
    my $v = visitor();
    $v->get('/');
    my $r = $v->choose('reject_all', return => $away);
    is($r->header('Location'), '/privacy/choices?saved=1&lang=zh-CN', 'not back to ' . ($away =~ s/[\r\n\t]/./gr));
    is_deeply([$r->cookies], ['privacy'], 'and only our cookie');
}
$v = visitor();
$v->get('/shop?a=1&b=%E4%B8%AD');
is($v->choose('reject_all')->header('Location'), '/shop?a=1&b=%E4%B8%AD', 'back to a page with a query');

# Behind a balancer that ends TLS

$v = visitor(listen => 'balanced');
$v->get('/');
$r = $v->choose('accept_all', prefix => '/privacy/');
is($r->status, 303, 'behind a balancer');
is_deeply([$r->cookies], ['__Host-privacy'], 'the cookie is for https');
%form = (visitor(listen => 'balanced'))->get('/') ? $v->form : ();
$v->get('/privacy/choices');
is($v->post('/privacy/choices', { $v->form, choice => 'reject_all' }, 'Sec-Fetch-Site' => undef,
    Origin => 'https://www.example')->status, 303, 'its public origin is ours');
$v->get('/privacy/choices');
is($v->post('/privacy/choices', { $v->form, choice => 'accept_all' }, 'Sec-Fetch-Site' => undef,
    Origin => 'http://' . $t->listen('balanced'))->status, 403, 'the one behind it is not');

# Two devices at once: both in the chain, in one order

$v = visitor();
my $other = visitor();
$v->get('/');
$v->choose('reject_all');
$subject = subject($v);
%{$other->jar} = %{$v->jar};

# Both grant what was refused before, or both take back what was granted: neither stands in the other's way.
for my $round (1 .. 10) {
    my $value = $round % 2 ? JSON::PP::true : JSON::PP::false;
    my $n = records($subject);
    my @clients = map { $t->connect } 1 .. 2;
    my @purposes = ('analytics', 'marketing');

    for my $i (0, 1) {
        my $mine = ($v, $other)[$i];
        my $body = JSON::PP->new->encode({ token => state($mine)->{token}, choice => 'custom',
            purposes => { $purposes[$i] => $value } });
        $clients[$i]{request} = join "\r\n", 'POST /privacy/choices HTTP/1.1', 'Host: ' . $t->listen,
            'Cookie: privacy=' . $mine->consent, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/json',
            "X-Real-IP: 10.2.$round.1", 'Content-Length: ' . length $body, '', $body;
    }
    $_->write($_->{request}) for @clients;
    my @answers = map { $_->read('POST') } @clients;

    is(join(' ', map { $_->status } @answers), '200 200', "round $round: both are saved");
    is(records($subject), $n + 2, "round $round: both are in the chain");
    is(consent($v), $round % 2 ? '<analytics,marketing>' : '<>', "round $round: and both hold");

    my ($newest) = sort { $b->{state}{position} <=> $a->{state}{position} } map { json($_->body) } @answers;
    is($newest->{state}{position}, $n + 2, "round $round: in one order");
    for my $i (0, 1) {
        my ($cookie) = map { /^privacy=([^;]+)/ } $answers[$i]->headers('Set-Cookie');
        ($v, $other)[$i]->jar->{privacy} = $cookie;
    }
}

# Flooding, an address prefix

my $stormy = $t->visitor(headers => ['X-Real-IP' => '10.9.9.1']);
$stormy->get('/');
%form = $stormy->form;
# Two seconds make room for one more: of what is sent again at once one of two has to wait, at the latest.
sub flooded {
    my ($send) = @_;
    for (1 .. 3) {
        $r = $send->();
        return 1 if $r->status == 429;
    }
    return 0;
}
my $bad = sub { return $stormy->post('/privacy/choices', { %form, token => 'x', choice => 'accept_all' }) };
my @status = map { $bad->()->status } 1 .. 40;
is($status[0], 400, 'a bad form is a bad form');
ok(flooded($bad), 'too many of them are a flood');
ok(flooded(sub { $stormy->post('/privacy/choices', { %form, choice => 'accept_all' }) }),
    'then good ones have to wait, too');
like($r->header('Retry-After'), qr/^\d+$/, 'it is said how long');
my $neighbour = $t->visitor(headers => ['X-Real-IP' => '10.9.9.77']);
ok(flooded(sub { $neighbour->post('/privacy/choices', {}) }), 'the neighbours as well');
isnt($t->visitor(headers => ['X-Real-IP' => '10.9.8.1'])->post('/privacy/choices', {})->status, 429, 'the others not');

# Withdrawing by its own address

$v = visitor();
$v->get('/');
$v->choose('accept_all');
$v->get('/privacy/choices');
my %token = $v->form;
is($v->get('/privacy/me/withdraw')->status, 405, 'me/withdraw: GET changes nothing');
is($v->post('/privacy/me/withdraw', { token => $token{token} })->status, 303, 'me/withdraw');
is(consent($v), '<>', 'everything is off');

$t->finish;
