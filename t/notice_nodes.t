#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Notices on two nodes with one Redis: what is sent is shown on both, what is answered on one is closed on the other in
# time, also when nobody was woken, when Redis bounces, and when a node begins without it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $a = Test::Privacy->new('notice-a');
my $b = Test::Privacy->new('notice-b', workers => 2);
$a->redis->start;
$a->upstream(sub {
    my ($request) = @_;

    my @headers = ('Content-Type' => 'text/html');
    push @headers, 'X-Privacy-User' => $1
        if (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    return { headers => \@headers, body => '<!doctype html><html><head><title>t</title></head><body>hello</body></html>' };
});
$a->publish($a->bundle);

my $config = site_conf(<<'CONF');
    privacy_lease 3s grace=1h;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Version "$privacy_version" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
system('cp', '-a', $a->keys_dir, $b->dir . '/keys') == 0 or die 'no keys for the second node';
$a->config($config);
$b->config($config, REDIS => $a->redis->url, UPSTREAM => 'http://unix:' . $a->dir . '/upstream.sock:');
$b->{published} = 1;
$_->start for $a, $b;
ok($b->each_worker(sub { $_[0]{sites}[0]{version} }), 'the second node has the policy from Redis');
ok($_->listening, '... and is woken, as the first one is') for $b, $a;

my $redis = $a->redis;
my $keys = $a->keys_dir;

sub device {
    my ($node, $user) = @_;
    my $v = $node->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = $user;
    $v->get('/');
    return $v;
}
sub bar { my ($v) = @_; return $v->get('/')->body =~ /id="privacy-notice"[^>]* data-notice="(\w+)"/ ? $1 : '' }
sub shows { my ($v, $id, $seconds) = @_; return wait_for(sub { bar($v) eq $id }, $seconds || 20) }
sub closed { my ($v, $id, $seconds) = @_; return wait_for(sub { bar($v) ne $id }, $seconds) }
sub answer {
    my ($v, $id, $answer) = @_;
    my %form = $v->form;
    return $v->post("/privacy/notices/$id/ack", { %form, answer => $answer })->status;
}
sub send_notice {
    my ($text, @options) = @_;
    my $file = $a->dir . '/notice.json';
    spew($file, JSON::PP->new->utf8->encode({ kind => 'announcement', texts => {
        map { $_ => { title => "About $text", summary => "What is said of $text." } } qw(en zh-CN) } }));
    my ($status, $out) = $a->ctl('notice', 'send', $a->ctl_site, '--key', "$keys/example.key", '--json', @options, $file);
    die "privacyctl notice send: $out" if $status;
    return json($out)->{id};
}
sub site { my ($node) = @_; return json($node->get('/status')->body)->{sites}[0] }
sub pass_second { my $now = int time; sleep 0.05 while int time == $now }

# Sent once, shown on both; answered on one, closed on the other

my ($desk, $phone) = (device($a, 'alice'), device($b, 'alice'));
my $id = send_notice('one');
ok(shows($_, $id), 'what is sent is shown on each node') for $desk, $phone;
is(answer($desk, $id, 'acknowledge'), 303, 'answered on one');
my $begin = time;
ok(closed($phone, $id, 2), 'it is closed on the other within two seconds');
note(sprintf 'after %.3f s', time - $begin);
is(bar($phone), '', 'whichever worker is asked') for 1 .. 6;

# A change: agreed to on the phone, it holds on the desk

pass_second();
$a->publish($a->bundle(version => '2', changes => [
    { kind => 'purposes', purposes => ['analytics'], summary => 'Analytics moves.' }]), '--urgent', 'a spec');
ok(shows($_, 'v2'), 'a change is announced on each node') for $desk, $phone;
ok(wait_for(sub { $_->get('/')->header('X-Version') eq '2' }), 'and comes into force') for $desk, $phone, $phone, $phone;
bar($phone);
is(answer($phone, 'v2', 'agree'), 303, 'agreed to on one');
ok(closed($desk, 'v2', 2), 'it is closed on the other');
ok(wait_for(sub { $desk->get('/')->header('X-Consent') eq '<analytics>' }, 20), 'where what was agreed to holds') or
    diag($desk->page->header('X-Consent'));

# Answered twice, on two devices at once: the first counts, both are told that it is saved

my ($one, $two) = (device($a, 'bob'), device($b, 'bob'));
$id = send_notice('two');
ok(shows($_, $id), 'another one') for $one, $two;
my %form = ($one->form);
is(answer($one, $id, 'acknowledge'), 303, 'answered here');
is(answer($two, $id, 'acknowledge'), 303, 'and there, from a page of before');
my ($subject) = (($a->ctl('subject', '--user', 'bob', '--keys', "$keys/keys", '--site', 'example'))[1] =~ /(\S+)/);
my $marks = "privacy:{example:$subject}:notices";
my $when = $redis->command('HGET', $marks, "$id:acknowledged");
pass_second();
is($one->post("/privacy/notices/$id/ack", { %form, answer => 'acknowledge' })->status, 303, 'and once more');
is($redis->command('HGET', $marks, "$id:acknowledged"), $when, 'the first time counts');

# Nobody is woken: what was missed is in the stream

$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
$id = send_notice('three');
ok(shows($_, $id), 'sent while nobody listened') for $one, $two;
ok($_->listening, 'all listen again') for $a, $b;
is(answer($one, $id, 'acknowledge'), 303, 'answered');
ok(closed($two, $id, 2), 'and closed');

# Redis bounces: nothing that was sent or answered is lost, nothing comes twice

for my $round (1 .. 3) {
    $id = send_notice("bounce $round");
    ok(shows($one, $id), "round $round: shown");
    $redis->kill;
    is(bar($one), $id, 'still, while Redis is away');
    is(answer($one, $id, 'acknowledge'), 503, 'what cannot be recorded is not said to be');
    $redis->start;
    ok(wait_for(sub { bar($one) eq $id && answer($one, $id, 'acknowledge') == 303 }, 20), 'then it is recorded');
    isnt(bar($one), $id, 'and gone');
    ok(closed($two, $id, 20), 'on the other node as well');
}

# A node that begins while Redis is away knows the changes, which are in its folder, and the rest when Redis is back

my $carol = device($a, 'carol');
ok(wait_for(sub { (site($b)->{notices}{open}[-1]{id} // '') eq $id }), 'the second node knows all there is');
$redis->kill;
$b->stop;
$b->start;
is_deeply([map { $_->{id} } @{site($b)->{notices}{open}}], ['v2'], 'it begins with what its folder has');
my $dave = device($b, 'dave');
bar($dave);
my @json = (Accept => 'application/json');
is($dave->get('/privacy/notices/v2', @json)->status, 503, 'whether somebody has answered is not known, and not said');
is($dave->get('/privacy/notices/v2')->status, 200, '... what it says, is');
is($b->get('/privacy/notices/v2', @json)->status, 200, '... and it is, to a script of nobody in particular');
$redis->start;
ok(wait_for(sub { $dave->get('/privacy/notices/v2', @json)->status == 200 }, 20), '... then it is known');
ok(wait_for(sub { @{site($b)->{notices}{open}} == 7 }, 20), 'and follows the stream again');
ok(shows(device($b, 'carol'), 'n6', 20), 'so that nobody is missed');

# Retracted: closed on both

is(($a->ctl('notice', 'retract', $a->ctl_site, '--key', "$keys/example.key", '--reason', 'Wrong.', '--yes', 'n6'))[0], 0,
    'retracted');
ok(shows(device($_, 'carol'), 'n5', 20), 'it makes room for the one before') for $a, $b;

# More than the zone keeps of one user, while Redis is away: nobody knows whether an older one is for him, and that is said;
# a stranger is told what he always is

spew($a->dir . '/list', "erin\n");
my $old = send_notice('of old', '--users', $a->dir . '/list', '--keys', "$keys/keys");
my $erin = device($a, 'erin');
ok(shows($erin, $old), 'one to a list of users');
$id = send_notice("later $_") for 1 .. 8;
ok(shows($erin, $id), 'eight that came later');
my $frank = device($a, 'frank');
ok(shows($frank, $id), '... also to who is not on the list');
is($erin->get("/privacy/notices/$old", @json)->status, 200, 'the old one is there');
is($frank->get("/privacy/notices/$old", @json)->status, 404, '... not for others');
$redis->kill;
for my $accept ([], \@json) {
    my $as = @$accept ? 'JSON' : 'a page';
    is($erin->get("/privacy/notices/$old", @$accept)->status, 503, "Redis is away: whether it is his is not known, as $as");
    is($frank->get("/privacy/notices/$old", @$accept)->status, 503, '... nor whether it is that of others');
    is($erin->get("/privacy/notices/$id", @$accept)->status, 200, '... that the newest is, is known');
    is($a->get("/privacy/notices/$old", @$accept)->status, 404, '... for nobody in particular it is not there');
}
is($erin->get('/privacy/notices.json')->status, 503, '... nor may a script take a list for all there is');
is($erin->get('/privacy/notices')->status, 200, '... which as a page can be read');
$redis->start;
ok(wait_for(sub { $erin->get("/privacy/notices/$old", @json)->status == 200 }, 20), 'Redis is back: it is there');
is($frank->get("/privacy/notices/$old", @json)->status, 404, '... not for others');

$b->stop;
is_deeply([$b->problems], [], 'nothing alarming in the logs of the second node');
$b->{finished} = $b->{clean} = 1;
$a->finish;
