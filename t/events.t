#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# GET events: who gets a stream, what comes on it, what is told again when it is opened again, and when it ends.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Events;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('events');
my $redis = $t->redis;
$redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($user) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)\./;
    my @headers = ('Content-Type' => 'text/html');
    $user = $1 if $request->{uri} =~ m{^/as\?(\w*)};
    push @headers, 'X-Privacy-User' => $user if defined $user;
    return { headers => \@headers, body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => 'gzip on; gzip_types text/event-stream;'));
    listen %%LISTEN_slow%% sndbuf=4k;
    listen %%LISTEN_h2%% http2;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->start;

my $keys = $t->keys_dir;
my $code = JSON::PP->new->utf8->canonical;
my @all;

sub user {
    my ($name, $session, $language) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => $language // 'en']);
    $v->jar->{sessionid} = "$name." . ($session // 1);
    $v->get('/');
    return $v;
}
sub texts { my (%text) = @_; return { map { $_ => { %text } } 'zh-CN', 'en' } }
sub notice {
    my ($notice, @options) = @_;
    spew("$t->{dir}/n.json", $code->encode($notice));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', "$keys/example.key", '--json', @options,
        "$t->{dir}/n.json");
    die "notice send: $out" if $status;
    return json($out)->{id};
}
sub announce {
    my ($title, @options) = @_;
    return notice({ kind => 'announcement', texts => texts(title => $title, summary => 's') }, @options);
}
sub list {
    spew("$t->{dir}/list", join '', map { "$_\n" } @_);
    return ('--users', "$t->{dir}/list", '--keys', "$keys/keys");
}
sub answer {
    my ($v, $id, $answer) = @_;
    my $token = json($v->get("/privacy/notices/$id", Accept => 'application/json')->body)->{token};
    return $v->post("/privacy/notices/$id/ack", $code->encode({ answer => $answer, token => $token }),
        'Content-Type' => 'application/json', Accept => 'application/json')->status;
}
# What is told, which has to be these and no other
sub told { my ($stream, $n) = @_; return ids($stream->came('notice', $n, $n ? 0.5 : 1)) }
sub ids { return join ' ', map { $_->{json}{id} } grep { $_->{event} eq 'notice' } @_ }
sub mark {
    my ($name, $id, $mark) = @_;
    my ($status, $subject) = $t->ctl('subject', '--site', 'example', '--keys', "$keys/keys", '--user', $name);
    chomp $subject;
    return $redis->command('HGET', "privacy:{example:$subject}:notices", "$id:$mark");
}

# Who gets one

my $nobody = $t->visitor;
is(events($nobody)->status, 204, 'nobody is logged in: no stream, and the browser does not come back');
my $alice = user('alice');
is(events($alice, headers => ['Sec-Fetch-Site' => 'cross-site'])->status, 204, 'another site gets none');
is($alice->post('/privacy/events', '')->status, 405, 'it is only read');
$alice->{jar}{sessionid} = 'alice.2';
is(events($alice)->status, 204, 'the binding of another session is void');
$alice->{jar}{sessionid} = 'alice.1';

my $s = events($alice, headers => ['Accept-Encoding' => 'gzip']);
is($s->status, 200, 'who is logged in has one');
is($s->header('Content-Type'), 'text/event-stream', '... of events');
like($s->header('Cache-Control'), qr/no-store/, '... that nobody keeps');
is($s->header('Content-Encoding'), undef, '... or collects');
my $hello = $s->next('hello');
like($hello->{json}{user}, qr/^[0-9a-f]{16}$/, 'hello says whose session it is');
is($hello->{json}{language}, 'en', '... in which language');
cmp_ok($hello->{retry}, '>=', 3000, '... and when to come back');
my %retry = map { my $tab = events($alice); my $said = $tab->next('hello'); $tab->close; $said->{retry} => 1 } 1 .. 6;
cmp_ok(scalar keys %retry, '>', 2, '... not all at once');

# What comes

my $chinese = events(user('alice', 1, 'zh-CN'));
is($chinese->next('hello')->{json}{language}, 'zh-CN', 'another tab, in another language');
my $first = notice({ kind => 'announcement', texts => { en => { title => 'News', summary => 'One' },
    'zh-CN' => { title => '公告', summary => '一' } } });
my $event = $s->next('notice');
is_deeply([@{$event->{json}}{qw(id kind title summary language)}], [$first, 'announcement', 'News', 'One', 'en'],
    'a notice comes');
is($event->{id}, '1-1', '... at a place that can be gone on from');
is($chinese->next('notice')->{json}{title}, '公告', '... to each in their language');
ok(wait_for(sub { mark('alice', $first, 'written') }), '... and it is noted that it was written');
is(mark('alice', $first, 'seen'), undef, '... not that it was seen');
is($alice->post("/privacy/notices/$first/ack", '{"answer":"seen"}', 'Content-Type' => 'application/json')->status, 204,
    'seen');
ok(mark('alice', $first, 'seen'), '... is noted, too');

notice({ kind => 'incident', texts => texts(title => 'I', happened => 'H', measures => 'M', advice => 'A',
    remedies => 'R') });
$event = $s->next('notice');
is(join(' ', map { $_->{text} } @{$event->{json}{parts}}), 'H M A R', 'an incident with its four parts');

my $forged = "a\r\ndata: {\"id\":\"n9\"}\n\nid: 9-9\nevent: closed\ndata: {}\n\n</script>";
notice({ kind => 'announcement', texts => texts(title => 'F', summary => $forged) });
$event = $s->next('notice');
is($event->{json}{summary}, $forged =~ s/\r\n/\n/gr, 'a text is a text, whatever stands in it');
is($event->{id}, '1-3', '... and forges no place');
is_deeply([$s->quiet(0.5)], [], '... nor another event');

# To whom

my $bob = user('bob');
my $b = events($bob);
is(told($b, 3), 'n1 n2 n3', 'who comes later is told what is due');
my $listed = announce('List', list('bob', 'carol'));
is(ids($b->next('notice')), $listed, 'a list: who is on it');
is_deeply([$s->quiet(1)], [], '... and nobody else');
my $granted = announce('Granted', '--granted', 'analytics');
is_deeply([$b->quiet(0.5), $s->quiet(0.5)], [], 'nobody consents');

# Again

my $again = events($bob, last => '1-2');
is(told($again, 2), "n3 $listed", 'opened again: what came after');
is(ids(events($bob, last => $b->last)->quiet(1)), '', '... or nothing');
is(told(events($bob, query => '?last=1-2'), 2), "n3 $listed", '... where a script says it, too');
is(told(events($bob, last => "x\x{7f}9-9"), 4), "n1 n2 n3 $listed", '... or all, where nobody knows what was said');

# Answered, retracted

is(answer($bob, 'n1', 'acknowledge'), 200, 'answered on one device');
my $closed = $again->next('closed');
is_deeply($closed->{json}, { id => 'n1', why => 'answered' }, '... closes it on the others');
is_deeply([grep { $_->{event} eq 'closed' } $s->quiet(0.5)], [], '... of the same user');
is(told(events($bob), 3), "n2 n3 $listed", '... and is not told again');
is(answer($bob, 'n2', 'later'), 200, 'later');
is(told(events($bob), 2), "n3 $listed", '... not in this session');
is(told(events(user('bob', 7)), 3), "n2 n3 $listed", '... but in the next');
$t->ctl('notice', 'retract', $t->ctl_site, '--key', "$keys/example.key", '--reason', 'x', 'n3');
is_deeply($s->next('closed')->{json}, { id => 'n3', why => 'retracted' }, 'retracted: it closes');
is(told(events($bob), 1), $listed, '... and is told nobody any more');

# A change

sleep 1.1;
$t->publish($t->bundle(version => '2', changes => [{ kind => 'purposes', purposes => ['analytics'], summary => 'x' }]),
    '--urgent', 'x');
$event = $s->next('notice');
is($event->{json}{id}, 'v2', 'a change comes');
is_deeply([map { $_->{id} } @{$event->{json}{purposes}}], ['analytics'], '... with the purposes that it changes');
like($event->{json}{diff}, qr{diff/mine/2$}, '... and what differs');
is($event->{id}, "2-$1", '... at its place') if $event->{id} =~ /-(\d+)/;
is(answer($alice, 'v2', 'decline'), 200, 'declined');
is($s->next('closed')->{json}{id}, 'v2', '... closes it');

# The session ends

my $dora = user('dora');
my @d = map { events($dora) } 1 .. 2;
$_->next('hello') for @d;
my $other_session = events(user('dora', 9));
$other_session->next('hello');
$dora->get('/as?');
ok($_->ended(20), 'logged out: the stream ends') for @d;
ok(!$other_session->ended(1), '... not that of another session');
my $erin = user('erin');
my $e = events($erin);
$e->next('hello');
$erin->get('/as?frank');
ok($e->ended(20), 'another user in the same session: the stream of the first one ends');

# So many at a time

my $gina = user('gina');
my @tabs = map { my $tab = events($gina); $tab->next('hello'); $tab } 1 .. 9;
ok($tabs[0]->ended(20), 'of nine streams the oldest ends');
is(scalar(grep { $_->ended(0.1) } @tabs[1 .. 8]), 0, '... no other');
$_->close for @tabs;

# One who does not read

my $slow = user('slow');
my $lazy = events($slow, peer => $t->listen('_slow'), rcvbuf => 2048);
my @large = map { announce("Large $_", '--all') } 1 .. 2;
my @many = map {
    sysread $lazy->{socket}, my $byte, 1;
    notice({ kind => 'announcement', texts => texts(title => "M$_", summary => 'x' x 8000) }, list('slow'));
} 1 .. 30;
ok($lazy->ended(20), 'who reads a byte now and then is let go');
cmp_ok(length $lazy->{buffer}, '<', 150_000, '... with what was on its way');
is(told($s, 2), join(' ', @large), '... others are not held up');
my %told;
for (1 .. 12) {
    my $fresh = events($slow);
    my @came = map { $_->{json}{id} } grep { $_->{event} eq 'notice' } $fresh->quiet(1);
    $told{$_} = 1 for @came;
    answer($slow, $_, 'acknowledge') for @came;
    $fresh->close;
    last if !grep { !$told{$_} } @many;
}
is(scalar(grep { !$told{$_} } @many), 0, '... and is told everything when coming back');

# Redis is away

$redis->kill;
my $away = events($alice);
is($away->status, 200, 'without Redis: a stream, which waits');
$redis->start;
my $back = announce('Back');
my $heard = $away->next('notice', 30);
$heard = $away->next('notice', 30) while $heard && $heard->{json}{id} ne $back;
ok($heard, '... and hears what is sent when it is there again');

# Other protocols, other methods

my $cookies = join '; ', map { "$_=$alice->{jar}{$_}" } keys %{$alice->{jar}};
my ($timeout, $r) = $t->curl('--http2-prior-knowledge', '--max-time', 5, '-H', 'Sec-Fetch-Site: same-origin',
    '-H', "Cookie: $cookies", 'http://' . $t->listen('_h2') . '/privacy/events');
like($r->body, qr/^event: hello$/m, 'over HTTP/2');
is($alice->request('HEAD', '/privacy/events')->status, 200, 'HEAD says what GET would be');

$t->finish;
