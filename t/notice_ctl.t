#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl notice init, send, retract and list against a real Redis: what is refused, who is told, what happens when
# several send at once, or one is killed midway. No nginx.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use MIME::Base64 qw(encode_base64 decode_base64);
use Test::More;
use Test::Privacy;
use Test::Privacy::Terminal;

my $t = Test::Privacy->new('notice_ctl', module => '');
$t->redis->start;

my $keys = $t->keys_dir;
my $site = $t->site;
my @key = ('--key', "$keys/$site.key");
my @public = ('--public', "$keys/$site.pub");
my @nodekeys = ('--keys', "$keys/keys");
my $stream = "privacy:$site:notices";
my $file = 0;
my $code = JSON::PP->new->utf8->canonical;

# A draft in a file; changes replace its fields, undef takes them out.
sub draft {
    my (%changes) = @_;
    my %draft = (kind => 'announcement', both(title => '通知 Ä', summary => 'Line 1'),
        %changes);
    delete $draft{$_} for grep { !defined $draft{$_} } keys %draft;
    return written($code->pretty->encode(\%draft));
}
sub both { my %text = @_; return (texts => { map { $_ => { summary => 's', %text } } 'zh-CN', 'en' }) }
sub written { my ($bytes) = @_; my $path = "$t->{dir}/notice" . ++$file . '.json'; spew($path, $bytes); return $path }
sub incident {
    my %parts = (title => 'T', happened => 'H', measures => 'M', advice => 'A', remedies => 'R', @_);
    return draft(kind => 'incident', texts => { 'zh-CN' => \%parts, en => { %parts } });
}
sub send_notice { return $t->ctl('notice', 'send', $t->ctl_site, @key, @_) }
sub sent { my ($status, $out) = send_notice(@_, '--json'); is($status, 0, 'sent') or diag($out); return json($out) }
sub list { return json(($t->ctl('notice', 'list', $t->ctl_site, @public, '--json'))[1]) }
sub sealed { my ($n) = @_; return $t->redis->command('XRANGE', $stream, "$n-0", "$n-0")->[0][1][1] }

sub refused {
    my ($expected, $what, @arguments) = @_;
    my $before = $t->redis->command('XLEN', $stream);
    my ($status, $out) = send_notice(@arguments);
    is($status, 1, "$what: refused");
    utf8::decode($out);
    like($out, $_, '... says why') for ref $expected eq 'ARRAY' ? @$expected : $expected;
    is($t->redis->command('XLEN', $stream), $before, '... and nothing was sent');
}

# Before there is a policy

my ($status, $out) = send_notice(draft());
is($status, 1, 'a site without a policy has no notices');
like($out, qr/nothing was published/, '... and that is said');
$t->publish($t->bundle);
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @public);
is($status, 0, 'no notice yet');
like($out, qr/there is no notice/, '... and that is said');

# A skeleton, which cannot be sent by mistake

($status, $out) = $t->ctl('notice', 'init', '--kind', 'incident', "$t->{dir}/new.json");
is($status, 0, 'init');
like($out, qr/^  $_ /m, "... tells what belongs into $_") for qw(title happened measures advice remedies);
($status, $out) = $t->ctl('notice', 'init', "$t->{dir}/new.json");
is($status, 1, '... never overwrites one');
refused([map { my $l = $_; map { qr/new\.json:\d+: texts\.$l\.$_: is empty/ } qw(title happened measures advice remedies) }
    'zh-CN', 'en'], 'with every text empty', "$t->{dir}/new.json");
$t->ctl('notice', 'init', '--languages', 'en', "$t->{dir}/one.json");
is_deeply(json(slurp("$t->{dir}/one.json")), { kind => 'announcement', texts => { en => { title => '', summary => '' } } },
    'an announcement in one language');

# What is wrong with drafts: all of it at once, with line and field

for my $part (qw(happened measures advice remedies)) {
    refused(qr/notice\d+\.json:\d+: texts\.en\.$part: is empty/, "an incident with an empty $part", incident($part => ''));
    refused(qr/texts\.en\.$part: /, '... of blanks', incident($part => " \n "));
}
refused([qr/:\d+: kind: has to be incident or announcement/], 'another kind', draft(kind => 'change'));
refused([qr/:\d+: colour: /, qr/:\d+: texts\.en\.happened: /, qr/texts\.zh-CN: is missing/], 'three things at once',
    draft(colour => 'red', texts => { en => { title => 'T', summary => 'S', happened => 'x' } }));
refused(qr/:1: is not JSON/, 'no JSON', written('{"kind": '));
refused(qr/is not JSON/, 'a field twice', written('{"kind":"announcement","kind":"incident","texts":{}}'));
refused(qr/texts\.en\.title/, 'a title of two lines', draft(both(title => "a\nb")));
refused(qr/texts\.en\.summary/, 'bidirectional overrides', draft(both(title => 'a', summary => "a\x{202E}b")));
refused(qr/texts\.en\.summary/, 'a text that is too long', draft(both(title => 'a', summary => 'x' x 9000)));
refused(qr/--kind says incident/, 'another kind than --kind says', '--kind', 'incident', draft());
refused(qr/until: /, 'an end in the past', '--until', '2020-01-01', draft());

# To whom: what does not exist is said with the rest

refused([qr/--granted: there is no purpose nix/, qr/--corrects: there is no notice n7/, qr/texts\.en\.summary: /],
    'no such purpose, no such notice, and no text', '--granted', 'nix', '--corrects', 'n7',
    draft(both(title => 'a', summary => '')));
refused(qr/necessary is necessary/, 'a purpose that nobody consents to', '--granted', 'necessary', draft());
refused(qr/--bound-before: there is no version nix/, 'no such version', '--bound-before', 'nix', draft());
refused(qr/no version is older/, 'before the first', '--bound-before', '2026-01-01', draft());
refused(qr/is not the id of a notice/, 'a change cannot be corrected so', '--corrects', 'v1', draft());
spew("$t->{dir}/users", "anna\n bob\n\ncarl\t\n" . 'x' x 600 . "\n");
refused([qr/users:2: begins or ends with a blank/, qr/users:4: begins/, qr/users:5: is longer/, qr/\.summary: is empty/],
    'a list with wrong lines, and no text', '--users', "$t->{dir}/users", @nodekeys,
    draft(both(title => 'a', summary => '')));
spew("$t->{dir}/users", "\n\n");
refused(qr/nobody is on the list/, 'an empty list', '--users', "$t->{dir}/users", @nodekeys, draft());
spew("$t->{dir}/subjects", "tooshort\n");
refused(qr/subjects:1: does not begin with a pseudonym/, 'no pseudonyms', '--subjects', "$t->{dir}/subjects", draft());
is(scalar(grep { /:audience:/ } @{$t->redis->command('KEYS', '*')}), 0, 'no list is left behind by any of them');

($status) = send_notice('--all', '--granted', 'analytics', draft());
is($status, 2, 'two audiences');
($status) = send_notice('--users', "$t->{dir}/users", draft());
is($status, 2, 'names without the keys');
($status, $out) = $t->ctl('notice', 'nix');
is($status, 2, 'no such command');

# A dry run says who gets what, in each language

my $texts = { 'zh-CN' => { title => '公告', summary => "甲\n乙" }, en => { title => 'News', summary => "One\nTwo" } };
my @dry = ('--dry-run', '--granted', 'analytics', '--public');
($status, $out) = send_notice(@dry, '--until', '2099-01-01', draft(texts => $texts));
is($status, 1, 'a term that is too long') or diag($out);
($status, $out) = send_notice(@dry, draft(texts => $texts));
is($status, 0, 'a dry run') or diag($out);
utf8::decode($out);
like($out, $_, '... says it in words') for qr/users who consent to the purpose analytics/, qr/a bar to all visitors/,
    qr/^In zh-CN.*\n  公告\n  甲\n  乙\n/m, qr/^In en\n  News\n  One\n  Two\n/m, qr/Nothing was sent: it would be n1/;
is($t->redis->command('EXISTS', $stream), 0, '... and sends nothing');

# Sent, once

my $events = bless { socket => $t->redis->socket }, 'Test::Privacy::Redis';
$events->command('SUBSCRIBE', "privacy:$site:events");

my $draft = draft();
my $first = sent($draft);
is($first->{id}, 'n1', 'the first notice');
ok(!$first->{already}, '... was not there before');
is_deeply($first->{audience}, { kind => 'users' }, '... to all users');
like(sealed(1), qr/\Aprivacy-notice 1\n[\w-]{86}\n\{.*\}\n\z/, '... is signed and on one line');
is_deeply(Test::Privacy::Redis::_reply($events->{connection}), ['message', "privacy:$site:events", 'noticed 1'],
    '... and the nodes are woken');
my $again = sent($draft);
is_deeply([$again->{id}, $again->{already} ? 1 : 0], ['n1', 1], 'the same again is not sent again');
my $other = sent($draft, '--public', '--all');
is($other->{id}, 'n2', 'to others it is another one');
ok($other->{public}, '... public');
is(sent($draft, '--public')->{audience}{kind}, 'none', 'public only');
my $day = POSIX::strftime('%Y-%m-%d', gmtime(time + 30 * 86400));
my $correction = sent(draft(texts => $texts), '--corrects', 'n1', '--until', $day);
is($correction->{corrects}, 'n1', 'a correction');
is($correction->{until}, "${day}T23:59:59Z", '... until the end of a day');

# A list: of names where the keys are, of pseudonyms elsewhere

utf8::encode(my $named = "\x{FEFF}anna\r\nbob\r\n\r\nbob\r\n用户");
spew("$t->{dir}/users", $named);
my $listed = sent(incident(), '--users', "$t->{dir}/users", @nodekeys);
is($listed->{audience}{count}, 3, 'a list of three, one of whom stands on it twice');
my $set = "privacy:$site:audience:$listed->{audience}{digest}";
my %members = map { $_ => 1 } @{$t->redis->command('SMEMBERS', $set)};
my @subjects = map { my ($s, $o) = $t->ctl('subject', '--site', $site, @nodekeys, '--user', $_); chomp $o; $o }
    'anna', 'bob', do { utf8::encode(my $u = '用户'); $u };
is_deeply([sort keys %members], [sort map { decode_base64(tr{-_}{+/}r . '==') } @subjects], '... by their pseudonyms');

($status, $out) = $t->ctl('subject', '--site', $site, @nodekeys, '--users', "$t->{dir}/users");
is_deeply([map { (split /\t/)[0] } split /\n/, $out], [@subjects[0, 1, 1, 2]], 'pseudonyms of a whole file');
spew("$t->{dir}/subjects", $out);
my $same = sent(incident(), '--subjects', "$t->{dir}/subjects");
is_deeply([$same->{id}, $same->{already} ? 1 : 0], [$listed->{id}, 1], '... are the same list, and the same notice');
($status, $out) = $t->ctl('subject', '--site', 'other', @nodekeys, '--user', 'anna');
isnt("$subjects[0]\n", $out, 'another site has other pseudonyms');
($status, $out) = $t->ctl('subject', '--site', $site, @nodekeys, '--user', 'anna', '--json');
is_deeply(json($out), { subject => $subjects[0], user => 'anna' }, 'one as JSON');

# Somebody else is put into the list: it is not what its name says, and nothing is sent to it

spew("$t->{dir}/two", "dora\nemil\n");
my ($dry) = (send_notice('--dry-run', '--json', '--users', "$t->{dir}/two", @nodekeys, incident()))[1];
my $digest = json($dry)->{audience}{digest};
$t->redis->command('SADD', "privacy:$site:audience:$digest", 'x' x 16);
refused(qr/Redis has others on this list/, 'a foreign name on the list', '--users', "$t->{dir}/two", @nodekeys, incident());
$t->redis->command('DEL', "privacy:$site:audience:$digest");

# Bound before, granted

$t->publish($t->bundle(version => '2', changes => [{ kind => 'contact', summary => 'x' }]), '--urgent', 'x');
is_deeply(sent($draft, '--bound-before', '2')->{audience}, { kind => 'bound_before', version => '2', number => 2 },
    'to who is bound to an older version');
is_deeply(sent($draft, '--granted', 'analytics')->{audience}, { kind => 'granted', purpose => 'analytics' },
    'to who consents to a purpose');

# Several at once: each gets a number; the same thing goes out once

sub at_once {
    my @pids = map {
        my $path = $_;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>', '/dev/null';
            exec { $t->{ctl} } $t->{ctl}, 'notice', 'send', $t->ctl_site, @key, $path or POSIX::_exit(127);
        }
        $pid;
    } @_;
    return sort map { waitpid($_, 0); $? >> 8 } @pids;
}

my $count = $t->redis->command('XLEN', $stream);
is_deeply([at_once(map { my $n = $_; draft(both(title => "Race $n")) }
    1 .. 4)], [0, 0, 0, 0], 'four different ones at the same time');
is($t->redis->command('XLEN', $stream), $count + 4, '... four more');
is(scalar(grep { ($_->{title} // '') =~ /^Race/ && $_->{verified} } @{list()}), 4, '... each holds');
is_deeply([at_once((draft(both(title => 'One'))) x 4)], [0, 0, 0, 0],
    'four times the same at the same time');
is($t->redis->command('XLEN', $stream), $count + 5, '... is sent once');

# Killed between list and notice, and repeated

spew("$t->{dir}/many", join '', map { "user$_\n" } 1 .. 60000);
my $killed;
for my $try (1 .. 5) {
    my $tried = incident(title => "Killed $try");
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec { $t->{ctl} } $t->{ctl}, 'notice', 'send', $t->ctl_site, @key, '--users', "$t->{dir}/many", @nodekeys, $tried
            or POSIX::_exit(127);
    }
    wait_for(sub {
        return grep { /:audience:/ && $t->redis->command('SCARD', $_) % 256 == 0 } @{$t->redis->command('KEYS', '*')};
    }, 5);
    kill 'KILL', $pid;
    waitpid $pid, 0;
    $killed = $tried if !grep { ($_->{title} // '') eq "Killed $try" } @{list()};
    last if $killed;
}
ok($killed, 'killed before the notice was sent');
$count = $t->redis->command('XLEN', $stream);
my $repeated = sent($killed, '--users', "$t->{dir}/many", @nodekeys);
is_deeply([$repeated->{audience}{count}, $repeated->{already} ? 1 : 0], [60000, 0], 'sent when it is repeated');
is($t->redis->command('SCARD', "privacy:$site:audience:$repeated->{audience}{digest}"), 60000, '... to the whole list');
is($t->redis->command('XLEN', $stream), $count + 1, '... once');

$t->redis->command('ACL', 'SETUSER', 'default', '-xadd');
($status, $out) = send_notice('--users', "$t->{dir}/two", @nodekeys, incident());
is($status, 3, 'Redis takes the list, and refuses the notice');
like($out, qr/run the same command again/, '... which is said');
$t->redis->command('ACL', 'SETUSER', 'default', '+xadd');
ok(!sent(incident(), '--users', "$t->{dir}/two", @nodekeys)->{already}, '... then it is sent');

# Retracted

($status, $out) = $t->ctl('notice', 'retract', $t->ctl_site, @key, 'n1');
is($status, 2, 'without a reason');
my $retracts = ($t->ctl('notice', 'retract', $t->ctl_site, @key, '--reason', '弄错了', 'n1', '--json'))[1];
is(json($retracts)->{retracts}, 'n1', 'retracted');
ok(json(($t->ctl('notice', 'retract', $t->ctl_site, @key, '--reason', 'x', 'n1', '--json'))[1])->{already}, '... once');
($status, $out) = $t->ctl('notice', 'retract', $t->ctl_site, @key, '--reason', 'x', json($retracts)->{id});
is($status, 1, 'a retraction cannot be retracted');
($status, $out) = $t->ctl('notice', 'retract', $t->ctl_site, @key, '--reason', 'x', 'v2');
like($out, qr/privacyctl withdraw/, 'a change goes with its version');
($status, $out) = $t->ctl('notice', 'retract', $t->ctl_site, @key, '--reason', 'x', 'n999');
is($status, 1, 'nothing to be retracted');
ok(!sent($draft)->{already}, 'what was retracted can be sent anew');
my ($one) = grep { $_->{id} eq 'n1' } @{list()};
is_deeply([@$one{qw(standing retracted_by)}], ['retracted', json($retracts)->{id}], 'the list says so');

# Publishing says which notice it made, withdrawing that it is retracted

my @material = (changes => [{ kind => 'purposes', purposes => ['analytics'], summary => 'x' }]);
my $effective = POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 9 * 86400));
my $later = $t->bundle(version => '3', @material, effective => $effective);
like($t->publish($later), qr/^notice    v3: .*\n.*privacyctl notice status v3 --site $site --public $site\.pub$/m,
    'publish tells of its notice');
($status, $out) = $t->ctl('publish', $later, $t->ctl_site, @key, '--yes', '--json');
is(json($out)->{notice}, 'v3', '... as JSON, and when it was published already');
like($t->publish($t->bundle(version => '4', changes => [{ kind => 'editorial' }], effective => $effective)),
    qr/\A(?!.*^notice )/ms, 'an editorial change is none');
($status, $out) = $t->ctl('withdraw', $t->ctl_site, @key, '--reason', 'x', '--yes', '3');
is($status, 0, 'withdrawn');
like($out, qr/^notice    v3 is retracted/m, '... with its notice');
($status, $out) = $t->ctl('withdraw', $t->ctl_site, @key, '--reason', 'x', '--json', '3');
is(json($out)->{retracts}, 'v3', '... as JSON');
my ($v3) = grep { $_->{id} eq 'v3' } @{list()};
is($v3->{standing}, 'retracted', '... and the list says so');

# Asked on a terminal

my @question = ($t->{ctl}, 'notice', 'send', $t->ctl_site, @key, draft(both(title => 'Asked')));
$count = $t->redis->command('XLEN', $stream);
my $screen = terminal([@question], [qr/every user who is logged in.*\? .*\[y\/N\] $/ => 'n']);
is($screen->{status}, 1, 'no');
is($t->redis->command('XLEN', $stream), $count, '... nothing was sent');
$screen = terminal([@question], [qr/\[y\/N\] $/ => 'y']);
is($screen->{status}, 0, 'yes');
is($t->redis->command('XLEN', $stream), $count + 1, '... sent');
$screen = terminal([@question, '--yes']);
like($screen->{text}, qr/already sent: notice n/, 'the same again does not ask');

# The chain

($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @public);
is($status, 0, 'every notice holds') or diag($out);
my @listed = @{list()};
is_deeply([map { $_->{id} } grep { $_->{id} =~ /^n/ } @listed], [map { "n$_" } 1 .. grep { $_->{id} =~ /^n/ } @listed],
    '... all of them, in order');

my $last = $t->redis->command('XLEN', $stream);
my @sealed = map { sealed($_) } 1 .. $last;
sub stream {
    my (@entries) = @_;
    $t->redis->command('DEL', $stream);
    $t->redis->command('XADD', $stream, "$_->[0]-0", 'sealed', $_->[1]) for @entries;
}
my @entries = map { [$_, $sealed[$_ - 1]] } 1 .. $last;

stream(map { [$_->[0], $_->[0] == 3 ? $_->[1] =~ s/"Line 1"/"Line 2"/gr : $_->[1]] } @entries);
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @public);
is($status, 1, 'an altered notice is found');
like($out, qr/^n3 .* NO: /m, '... and named');
unlike($out, qr/^n[12] .* NO: /m, '... no other');

stream(grep { $_->[0] != 2 } @entries);
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @public);
is($status, 1, 'one that was taken out is found');
like($out, qr/^n2 .*is missing/m, '... and named');

stream(map { [$_->[0], $_->[0] == 2 ? $sealed[2] : $_->[1]] } @entries);
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @public);
is($status, 1, 'one that stands at another place is found');
like($out, qr/^n2 .* NO: /m, '... and named');

stream(@entries, [$last + 1, 'rubbish']);
my ($bad) = grep { $_->{id} eq 'n' . ($last + 1) } @{list()};
ok($bad && !$bad->{verified}, 'what is no notice is named');
my $next = sent(draft(both(title => 'After')));
is($next->{number}, $last + 2, '... and others are sent behind it');
is((grep { $_->{id} eq $next->{id} } @{list()})[0]{verified}, 1, '... and hold');
stream(@entries);

# More than a node keeps

my $base = $t->redis->command('XLEN', $stream);
my $path = "$t->{dir}/series.json";
for my $n (1 .. 270) {
    spew($path, $code->encode({ kind => 'announcement', both(title => "S$n") }));
    my ($rc, $said) = send_notice($path);
    diag($said), last if $rc;
}
my @all = grep { $_->{id} =~ /^n/ } @{list()};
is(scalar @all, $base + 270, '270 more are all listed');
is(scalar(grep { !$_->{verified} } @all), 0, '... and hold');
is((grep { $_->{id} eq 'n' . ($base + 1) } @all)[0]{standing}, 'ended', '... the old ones have ended');
($status, $out) = $t->ctl('notice', 'status', $t->ctl_site, @public, 'n2');
is($status, 0, 'an old one can still be followed') or diag($out);

# Keys

$t->ctl('keygen', '--site', $site, "$keys/other");
($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, '--key', "$keys/other/$site.key", draft());
is($status, 1, 'a foreign key sends nothing');
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, '--public', "$keys/other/$site.pub");
is($status, 1, '... and proves nothing');

($status, $out) = $t->ctl('rollover', $t->ctl_site, @key, '--yes', "$keys/new");
is($status, 0, 'a new key') or diag($out);
($status, $out) = send_notice(draft(both(title => 'Old key')));
is($status, 1, 'the old one sends nothing any more');
@key = ('--key', "$keys/new/$site.key");
is(sent(draft(both(title => 'New key')))->{already} ? 1 : 0, 0,
    'the new one does');
for my $pub ("$keys/$site.pub", "$keys/new/$site.pub") {
    ($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, '--public', $pub);
    is($status, 0, 'and all hold, by the key of before and by the new one') or diag($out =~ /NO: .*/g);
}

$t->redis->kill;
($status, $out) = send_notice(draft());
is($status, 3, 'without Redis: 3');

$t->finish;
