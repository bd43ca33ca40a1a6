#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Notices without scripts: who is shown what in a page, what an answer does, and that nobody is shown what was not
# signed, or is another's.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $page = '<!doctype html><html><head><title>t</title></head><body><p>hello</p></body></html>';

my $t = Test::Privacy->new('notices');
$t->redis->start;

# The application: a session is NAME.NUMBER, and every page says whose it is.
$t->upstream(sub {
    my ($request) = @_;

    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=([^;]*)/;
    my @headers = ('Content-Type' => 'text/html; charset=utf-8');
    push @headers, 'X-Privacy-User' => $1 if ($session // '') =~ /^(\w+)\.\d+$/;
    push @headers, 'Cache-Control' => 'public, max-age=60' if $request->{uri} =~ /public/;
    return { headers => \@headers, body => $page };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Bound "<$privacy_bound_version>" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->start;

my $keys = $t->keys_dir;
my $redis = $t->redis;

sub user {
    my ($name, $session) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = "$name." . ($session // 1);
    $v->get('/');                               # here the application says who it is
    return $v;
}
sub subject {
    my ($status, $out) = $t->ctl('subject', '--user', $_[0], '--keys', "$keys/keys", '--site', 'example');
    chomp $out;
    return $out;
}
sub met {
    my ($name) = @_;
    (my $text = subject($name)) =~ tr{-_}{+/};
    my $bytes = decode_base64("$text==");
    return $redis->command('HGET', 'privacy:example:users:' . sprintf('%02x', ord $bytes), $bytes);
}
# Met before means in an earlier second.
sub pass_second { my $now = int time; sleep 0.05 while int time == $now }
sub publish {
    my (%changes) = @_;
    pass_second();
    return $t->publish($t->bundle(%changes), '--urgent', 'a spec');
}
sub in_force {
    my ($version) = @_;
    return wait_for(sub { json($t->get('/privacy/', Accept => 'application/json')->body)->{version} eq $version }, 30);
}
sub bar {
    my ($v, $uri) = @_;
    return $v->get($uri // '/')->body =~ /<section id="privacy-notice"[^>]* data-notice="(\w+)"/ ? $1 : '';
}
sub consent { return $_[0]->get('/')->header('X-Consent') }
# What waits for an answer, as the centre says it.
sub due {
    my ($v, $id) = @_;
    my $list = json($v->get('/privacy/notices.json')->body)->{notices};
    return scalar grep { $_->{id} eq $id && $_->{due} } @$list;
}
sub public_bar { return $_[0]->body =~ /<section id="privacy-public"[^>]* data-notice="(\w+)"/ ? $1 : '' }
sub shows { my ($v, $id) = @_; return wait_for(sub { bar($v) eq $id }, 20) }
sub answer {
    my ($v, $id, $answer, %more) = @_;
    my %form = $v->form;
    return $v->post("/privacy/notices/$id/ack", { %form, answer => $answer, %more });
}
sub marks { return { @{$redis->command('HGETALL', "privacy:{example:" . subject($_[0]) . '}:notices')} } }
sub records {
    my ($status, $out) = $t->ctl('ledger', $t->ctl_site, '--keys', "$keys/keys", '--json', subject($_[0]));
    diag($out) if $status;
    return json($out)->{records};
}
sub notice {
    my ($notice, @options) = @_;
    my $file = $t->dir . '/notice.json';
    spew($file, JSON::PP->new->utf8->canonical->encode($notice));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', "$keys/example.key", @options, '--json',
        $file);
    die "privacyctl notice send: $out" if $status;
    return json($out)->{id};
}
sub announcement {
    my ($text) = @_;
    return { kind => 'announcement', texts => {
        en => { title => "About $text", summary => "What is said of $text." },
        'zh-CN' => { title => "关于 $text", summary => "关于 $text 的公告。" } } };
}
sub counter { return json($t->get('/status')->body)->{sites}[0]{counters}{$_[0]} }

# Who was there before: one who has chosen, and one who has not; and visitors who are not logged in

my $bob = user('bob');
$bob->get('/');
is($bob->choose('accept_all')->status, 303, 'a user has chosen');
my $alice = user('alice');
my $nobody = $t->visitor(headers => ['Accept-Language' => 'en']);
unlike($alice->get('/')->body, qr/privacy-notice/, 'there is nothing to be said yet');
ok(wait_for(sub { met($_) }), "$_ is in the index") for 'alice', 'bob';
pass_second();

# A material change, in force at once

publish(version => '2', changes => [
    { kind => 'purposes', purposes => ['analytics'], summary => 'Analytics goes to another <company>.' }]);
ok(shows($bob, 'v2'), 'a material change is a bar in the next page of who has chosen');
my $said = $bob->page;
ok(shows($alice, 'v2'), 'and of who has not, and was met before');
like($said->header('Cache-Control'), qr/private/, 'that page is private');
like($said->body, qr/Analytics goes to another &lt;company&gt;\./, 'its summary, as text');
like($said->body, qr{href="/privacy/diff/mine/2}, 'the redline since what binds them');
like($said->body, qr/^[\x00-\x7f]*$/, 'pure ASCII');
like($said->body, qr/<script[^>]* data-user="[0-9a-f]{16}"/, 'the script is told whose page it is');
unlike($nobody->get('/')->body, qr/data-notice|data-user/, 'who is not logged in is shown none of it');
my $carol = user('carol');
ok(wait_for(sub { met('carol') }), 'a user who comes later');
is(bar($carol), '', 'is told nothing: this version is the first that they meet');

(my $rest = $said->body) =~ s/<link[^>]*>|<script[^>]*><\/script>|<section id="privacy-(?:notice|banner)".*?<\/section>//gs;
$rest =~ s/<nav id="privacy-settings".*?<\/nav>//s;
is($rest, $page, 'what is left when it is taken away is the page');

ok(wait_for(sub { consent($bob) eq '<marketing>' }), 'the purpose that changed is undecided');
ok(wait_for(sub { (marks('bob')->{'v2:written'} // '') =~ /^\d+$/ }), 'that it was written is recorded');

# Later: not again in this session, again in the next

bar($alice);
my $r = answer($alice, 'v2', 'later', return => '/somewhere');
is($r->status, 303, 'later');
is($r->header('Location'), '/somewhere', 'leads back');
is(bar($alice), '', 'and is not shown again in this session');
like(marks('alice')->{'v2:later'}, qr/^[0-9a-f]{16} \d+$/, 'nor anywhere, as long as it lasts');
ok(shows(user('alice', 2), 'v2'), 'it is shown in the next session');

# Agreeing

bar($bob);
$r = answer($bob, 'v2', 'agree');
is($r->status, 303, 'agreed');
is($r->header('Location'), '/', 'leads back to the page');
is(bar($bob), '', 'and the bar is gone');
is($bob->page->header('X-Consent'), '<analytics,marketing>', 'what changed is granted, and nothing else');
is($bob->page->header('X-Bound'), '<2>', 'and its terms bind');
my $record = records('bob')->[-1];
is($record->{how}, 'agree', 'that is on the ledger');
ok($redis->command('EXISTS', "privacy:example:form:$record->{form}"), 'with the form that was on the screen');
my $marks = marks('bob');
like($marks->{'v2:answer'}, qr/^agreed \d+$/, 'and on the notice');
like($marks->{"v2:$_"}, qr/^\d+$/, "with when it was $_") for qw(written seen acknowledged);
cmp_ok($redis->command('TTL', "privacy:{example:" . subject('bob') . '}:notices'), '>', 86400 * 180,
    'kept as long as a ledger');
is(bar(user('bob', 7)), '', 'it does not come again in another session');
like($bob->get('/privacy/notices/v2')->body, qr/You agreed/, 'its page says what was answered') ;

# Declining: at once, and only what changed

my $dave = user('dave');
$dave->get('/');
is($dave->choose('accept_all')->status, 303, 'another one has accepted everything');
ok(wait_for(sub { $dave->get('/')->header('X-Consent') eq '<analytics,marketing>' }), 'and has it granted');
publish(version => '3', changes => [
    { kind => 'purposes', purposes => ['marketing'], summary => 'Marketing keeps more.' }]);
ok(shows($dave, 'v3'), 'the next change');
ok(wait_for(sub { consent($dave) eq '<analytics>' }), 'makes what it names undecided');
is(answer($dave, 'v3', 'decline')->status, 303, 'declined');
is(bar($dave), '', 'the bar is gone');
is($dave->page->header('X-Consent'), '<analytics>', 'the other grants are kept');
is($dave->page->header('X-Bound'), '<3>', 'a version that reduces no rights holds for everybody once it is in force');
is(records('dave')->[-1]{how}, 'decline', 'that is on the ledger');
like(marks('dave')->{'v3:answer'}, qr/^declined \d+$/, 'and on the notice');
ok(shows($alice, 'v3'), 'who has put off the one before is shown this one');
is(answer($alice, 'v3', 'agree')->status, 303, 'and agrees');
is(bar(user('alice', 3)), '', 'which answers the older one too');
ok(shows($bob, 'v3') && answer($bob, 'v3', 'agree')->status == 303, 'as does another one');


# Answered in advance: the version is published, and not yet in force

publish(version => '4', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 12)), changes => [
    { kind => 'purposes', purposes => ['analytics'], summary => 'Analytics moves abroad.' }]);
ok(shows($bob, 'v4'), 'a version that is yet to come is announced');
ok(shows($dave, 'v4'), 'to everybody');
is(answer($dave, 'v4', 'decline')->status, 303, 'declined in advance');
bar($bob);
is(answer($bob, 'v4', 'agree')->status, 303, 'agreed to in advance');
is(consent($bob), '<analytics,marketing>', 'who agreed keeps what there is');
is(consent($dave), '<>', 'who declined has it withdrawn at once');
is(records('bob')->[-1]{how}, 'agree', 'both');
is(records('dave')->[-1]{how}, 'decline', 'are on the ledger');
ok(in_force('4'), 'its time comes');
is(consent($bob), '<analytics,marketing>', 'who agreed has what it asks for granted, without being asked again');
unlike($bob->page->body, qr/<form[^>]*choices/, 'no banner');
is(consent($dave), '<>', 'who declined has not');
is(bar($_), '', 'the notice does not come again') for $bob, $dave;
is($bob->get('/')->header('X-Bound'), '<4>', 'it binds who agreed');

# Terms that reduce rights bind only who agrees

my $grace = user('grace');
ok(wait_for(sub { met('grace') }), 'somebody comes who chooses nothing');
publish(version => '5', reduces_rights => JSON::PP::true, changes => [
    { kind => 'rights', purposes => [], summary => 'Fewer rights.' }]);
ok(shows($bob, 'v5') && in_force('5'), 'a version that reduces rights comes into force');
is($bob->get('/')->header('X-Bound'), '<4>', 'and does not bind by silence');
bar($bob);
is(answer($bob, 'v5', 'agree')->status, 303, 'but who agrees');
is($bob->get('/')->header('X-Bound'), '<5>', 'is bound');
for ($dave, $grace) {
    ok(shows($_, 'v5'), 'who is to answer it');
    is(answer($_, 'v5', 'decline')->status, 303, '... and declines');
    is($_->get('/')->header('X-Bound'), '<4>', '... stays with the version before');
    $_->get('/privacy/choices');
    is($_->choose('reject_all')->status, 303, '... and does so');
    is($_->get('/')->header('X-Bound'), '<4>', '... whatever is chosen on cookies');
}
is(records('grace')->[0]{how}, 'decline', 'also whom nothing had bound before');

# Who comes after it was announced, and then chooses on the version that it will replace

publish(version => '6', effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 30 * 86400)), changes => [
    { kind => 'purposes', purposes => ['analytics'], summary => 'Analytics moves again.' }]);
ok(shows($bob, 'v6'), 'another one is announced');
my $frank = user('frank');
ok(wait_for(sub { met('frank') }), 'somebody comes');
is(bar($frank), '', 'whom nothing binds yet');
$frank->get('/');
is($frank->choose('accept_all')->status, 303, 'who then chooses');
ok(shows($frank, 'v6'), 'and is told what it will be replaced by');
is(($t->ctl('withdraw', $t->ctl_site, '--key', "$keys/example.key", '--yes', '--reason', 'A spec.', '6'))[0], 0,
    'withdrawn');
ok(wait_for(sub { bar($frank) eq '' && bar($bob) eq '' }, 20), 'it is not shown any more');

# Announcements and incidents: who is addressed

my %say = map { $_ => announcement($_) } qw(everybody list bound granted public);
my $erin = user('erin');
my $n = notice($say{everybody});
is($n, 'n1', 'an announcement to users');
ok(shows($_, 'n1'), 'is shown to who is logged in') for $erin, $bob;
ok(shows(user('frank'), 'n1'), 'and to who comes later');
bar($erin);
is(answer($erin, 'n1', 'acknowledge')->status, 303, 'understood');
is(bar($erin), '', 'is not shown again');
ok(!exists marks('erin')->{'n1:answer'}, 'without an answer');
like(marks('erin')->{'n1:acknowledged'}, qr/^\d+$/, 'but when');
is($erin->post('/privacy/notices/n1/ack', '{"answer":"seen"}', 'Content-Type' => 'application/json')->status, 204,
    'what a script has seen');
unlike($nobody->get('/')->body, qr/data-notice/, 'visitors see nothing of it');
is($nobody->get('/privacy/notices/n1')->status, 404, 'nor have it for the asking');
unlike($nobody->get('/privacy/notices.json')->body, qr/everybody/, 'nor in the list');
like($erin->get('/privacy/notices.json')->body, qr/About everybody/, 'which has it for users');
bar($bob);
is(answer($bob, 'n1', 'acknowledge')->status, 303, 'understood too');

spew($t->dir . '/list', "erin\nbob\n");
notice($say{list}, '--users', $t->dir . '/list', '--keys', "$keys/keys");
ok(shows($_, 'n2'), 'one to a list is shown to who is on it') for $erin, $bob;
ok(!due($alice, 'n2'), 'and not to others');
is($alice->get('/privacy/notices/n2')->status, 404, 'who cannot read it either');
$erin->get('/');
my %form = $erin->form;
is($alice->post('/privacy/notices/n2/ack', { %form, answer => 'acknowledge' })->status, 404,
    'nor answer it with the form of somebody else');
$alice->get('/privacy/notices/v5');
%form = $alice->form;
is($alice->post('/privacy/notices/n2/ack', { %form, answer => 'acknowledge' })->status, 404, 'or that of another notice');
is($alice->post('/privacy/notices/n2/ack', '{"answer":"seen"}', 'Content-Type' => 'application/json')->status, 404,
    'nor say that it was seen');
is_deeply([grep { /^n2/ } keys %{marks('alice')}], [], 'nothing of that is recorded');
for ($erin, $bob) {
    bar($_);
    is(answer($_, 'n2', 'acknowledge')->status, 303, 'those on it answer');
}

notice($say{bound}, '--bound-before', '5');
ok(wait_for(sub { due($dave, 'n3') }), 'one to who is bound to an older version');
ok(!due($bob, 'n3'), 'not to who is bound to that one');
ok(!due($erin, 'n3'), 'nor to who is bound to none');
notice($say{granted}, '--granted', 'analytics');
ok(shows($bob, 'n4'), 'one to who has granted a purpose');
ok(!due($dave, 'n4'), 'not to who has not');
is(answer($bob, 'n4', 'acknowledge')->status, 303, 'understood');

# To everybody, on the site's pages and the notices page

notice($say{public}, '--public');
ok(wait_for(sub { public_bar($nobody->get('/')) eq 'n5' }), 'a public one is a bar to all visitors');
ok(!keys %{$nobody->jar}, 'who get no cookie by it');
is(public_bar($erin->get('/')), 'n5', 'and to users');
is(public_bar($nobody->get('/public')), 'n5', 'also in pages that caches keep');
like($nobody->page->header('Cache-Control'), qr/public/, 'which stay public');
is($nobody->page->body, $erin->get('/public')->body, 'the same bytes for everybody');
like($nobody->get("/privacy/$_")->body, qr/About public/, "it is in $_")
    for qw(notices notices.json notices.atom notices/n5);

# Retracted, corrected; what is urgent goes first

my ($status, $out) = $t->ctl('notice', 'retract', $t->ctl_site, '--key', "$keys/example.key", '--reason', 'A mistake.',
    '--yes', 'n5');
is($status, 0, 'retracted') or diag($out);
ok(wait_for(sub { public_bar($nobody->get('/')) eq '' }), 'it is not shown any more');
like($nobody->get('/privacy/notices/n5')->body, qr/A mistake\./, 'its page says so, and why');
is($bob->post('/privacy/notices/n5/ack', { answer => 'acknowledge' })->status, 404, 'and nobody answers it');

my $id = notice(announcement('the correction'), '--corrects', 'n1');
ok(shows($erin, $id), 'a correction is a notice of its own');
like($erin->page->body, qr{notices/n1}, 'that refers to the other one');
is(answer($erin, $id, 'acknowledge')->status, 303, 'understood');

my $incident = { kind => 'incident', texts => { map { $_ => { title => "Incident ($_)", happened => 'What happened.',
    measures => 'What we do.', advice => 'What you can do.', remedies => 'Your remedies.' } } qw(en zh-CN) } };
$id = notice($incident);
ok(shows($erin, $id), 'an incident');
like($erin->page->body, qr/What happened\..*What we do\..*What you can do\..*Your remedies\./s, 'with its four parts');
my $newer = notice(announcement('something later'));
ok(wait_for(sub { due($erin, $newer) }), 'something newer');
is(bar($erin), $id, 'but less urgent waits');
like($erin->page->body, qr{href="/privacy/notices[?"]}, 'which is said');
is(answer($erin, $id, 'acknowledge')->status, 303, 'understood');
ok(shows($erin, $newer), 'then the other one comes');

$t->finish;
