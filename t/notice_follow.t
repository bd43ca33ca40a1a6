#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl notice status, export and unreached: what is counted of whom. First against marks that are put into Redis
# by hand, then with the ledgers of users who chose in nginx, then with a hundred thousand.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Terminal;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('notice_follow');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=(\w+)/;
    ($session) = $request->{uri} =~ /\?(\w+)/ if $request->{uri} =~ m{^/login};
    return { body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>',
        headers => ['Content-Type' => 'text/html', $session ? ('X-Privacy-User' => $session,
            'Set-Cookie' => "sessionid=$session; Path=/") : ()] };
});

my $keys = $t->keys_dir;
my $site = $t->site;
my @key = ('--key', "$keys/$site.key");
my @follow = ($t->ctl_site, '--public', "$keys/$site.pub");
my @urgent = ('--urgent', 'x');
my $redis = $t->redis;
my $code = JSON::PP->new->utf8->canonical;

sub notice {
    my (@options) = @_;
    my $title = 'N' . ++$t->{notices};
    spew("$t->{dir}/$title.json", $code->encode({ kind => 'announcement', texts => { map { $_ =>
        { title => $title, summary => 's' } } 'zh-CN', 'en' } }));
    my ($status, $out) = $t->ctl('notice', 'send', $t->ctl_site, @key, '--json', @options, "$t->{dir}/$title.json");
    die $out if $status;
    return json($out)->{id};
}
sub status {
    my ($status, $out) = $t->ctl('notice', 'status', @follow, '--json', @_);
    die $out if $status;
    return json($out);
}
sub unreached { my @them = sort split /\n/, ($t->ctl('notice', 'unreached', @follow, @_))[1]; return @them }
sub rows { return map { json($_) } split /\n/, ($t->ctl('notice', 'export', @follow, '--format', 'jsonl', @_))[1] }
sub text { my ($bytes) = @_; return encode_base64($bytes, '') =~ tr{+/}{-_}r =~ s/=+$//r }
sub bytes { my ($text) = @_; return decode_base64($text =~ tr{-_}{+/}r . '==') }
my @counted = qw(addressed written seen acknowledged agreed declined waiting);
sub counts { my ($s) = @_; return join ' ', @$s{@counted} }
sub meet {
    my ($subject, $at) = @_;
    $redis->command('HSET', sprintf("privacy:$site:users:%02x", ord $subject), $subject, $at);
}
sub mark {
    my ($subject, $id, %marks) = @_;
    $redis->command('HSET', "privacy:{$site:" . text($subject) . '}:notices', map { ("$id:$_", $marks{$_}) } keys %marks);
}
sub pseudonym { return ($t->ctl('subject', '--site', $site, '--keys', "$keys/keys", '--user', @_))[1] =~ s/\n//r }

$t->publish($t->bundle);
my $now = int time;
my $hour = $now - $now % 3600;

# Ten users, met long ago. The first one's pseudonym begins with a dash.

my @users = map { chr(0xF8 + $_ % 4 + ($_ > 3 ? 16 * ($_ - 20) : 0) & 255) . chr($_) x 15 } 0 .. 9;
meet($_, $now - 86400) for @users;
like(text($users[0]), qr/^-/, 'a pseudonym that begins with a dash');

my $id = notice('--all');
is($id, 'n1', 'a notice to all');
is(counts(status($id)), '10 0 0 0 0 0 10', 'ten are addressed');
is(scalar(unreached($id)), 10, '... none is reached');

mark($users[1], $id, written => $now);
mark($users[2], $id, written => $now, seen => $now + 1);
mark($users[3], $id, written => $now, seen => $now + 1, later => "0123456789abcdef $now");
mark($users[4], $id, written => $now, seen => $hour + 3600, acknowledged => $hour + 7200);
mark($users[5], $id, acknowledged => $hour + 7201);                     # of the others the batch was lost
mark($users[6], 'n2', acknowledged => $now);                            # another notice
mark($users[7], $id, seen => 'rubbish', nix => 1, answer => 'maybe 5');
mark($users[0], $id, written => $now - 7200);                           # by a node whose clock is behind
my $status = status($id);
is(counts($status), '10 5 3 2 0 0 8', 'counted');
is($status->{later}, 1, '... one was put off');
my ($start) = strftime('%Y-%m-%dT%H:00:00Z', gmtime $hour);
my @hours = @{$status->{hours}};
is_deeply({ map { $_->{hour} => "$_->{written} $_->{seen} $_->{acknowledged}" } @hours }, {
    $start => $now < $hour + 3599 ? '5 2 0' : '5 0 0',
    strftime('%Y-%m-%dT%H:00:00Z', gmtime($hour + 3600)) => $now < $hour + 3599 ? '0 1 0' : '0 3 0',
    strftime('%Y-%m-%dT%H:00:00Z', gmtime($hour + 7200)) => '0 0 2' }, '... by hour');

is_deeply([unreached($id)], [sort map { text($users[$_]) } 0 .. 3, 6 .. 9], 'who has not acknowledged it');
is_deeply([unreached($id, '--unseen')], [sort map { text($users[$_]) } 0, 1, 6 .. 9], '... nor seen it');
my %row = map { $_->{subject} => $_ } rows($id);
is(scalar(keys %row), 10, 'a row each');
is_deeply($row{text($users[4])}, { notice => $id, subject => text($users[4]), answer => 'understood', answered => undef,
    later => undef, met => strftime('%FT%TZ', gmtime($now - 86400)), written => strftime('%FT%TZ', gmtime $now),
    seen => strftime('%FT%TZ', gmtime($hour + 3600)), acknowledged => strftime('%FT%TZ', gmtime($hour + 7200)) },
    '... with each time');
is_deeply([@{$row{text($users[7])}}{qw(seen answer answered)}], [undef, undef, undef], 'what is no mark counts as none');

my ($exit, $csv) = $t->ctl('notice', 'export', @follow, $id);
my @lines = split /\r\n/, $csv, -1;
is($lines[0], 'notice,subject,met,answer,written,seen,acknowledged,answered,later', 'CSV has a header');
is(pop @lines, '', '... and each line ends with CR LF');
is(scalar(grep { split(/,/, $_, -1) == 9 } @lines), 11, '... and nine fields');
is(scalar(grep { /^n1,'-/ } @lines), scalar(grep { text($_) =~ /^-/ } @users), '... a dash is no formula');
unlike($csv, qr/(?:^|,)[=+\-@\t]/m, '... nor is anything else');
my ($json) = grep { text($users[0]) eq $_->{subject} } map { json($_) } unreached('--json', $id);
is($json->{written}, strftime('%FT%TZ', gmtime($now - 7200)), 'unreached, as JSON');

# A list, one of whom never came

my @names = ('anna', 'bert', 'cora');
spew("$t->{dir}/names", join '', map { "$_\n" } @names);
my @subjects = map { pseudonym($_) } @names;
my $listed = notice('--users', "$t->{dir}/names", '--keys', "$keys/keys");
my $anna = bytes($subjects[0]);
meet($anna, $now);
mark($anna, $listed, acknowledged => $now);
$status = status($listed);
is(counts($status), '3 0 0 1 0 0 2', 'of a list the list is addressed');
is($status->{met}, 1, '... also who never came');
is_deeply([unreached($listed)], [sort @subjects[1, 2]], '... who is not reached');
($exit, my $out) = $t->ctl('subject', '--site', $site, '--keys', "$keys/keys", '--users', "$t->{dir}/names");
my %name = map { reverse split /\t/ } reverse map { join "\t", reverse split /\t/ } split /\n/, $out;
is_deeply([sort map { $name{$_} // '?' } unreached($listed)], ['bert', 'cora'], '... and by name');

$redis->command('SREM', "privacy:$site:audience:$status->{audience}{digest}", $anna);
($exit, $out) = $t->ctl('notice', 'status', @follow, $listed);
is($exit, 1, 'a list that was changed is not counted');
like($out, qr/not the one that the notice was sent to/, '... which is said');

# A change: whoever was met before is addressed; answering a newer one closes it

sleep 1.1;      # published in another second than they were met in
$t->publish($t->bundle(version => '2', changes => [{ kind => 'contact', summary => 'x' }]), @urgent);
my $new = "\x01" x 16;
meet($new, $now + 86400);
is(counts(status('v2')), '11 0 0 0 0 0 11', 'a change is for who was met before');
mark($users[1], 'v2', written => $now, acknowledged => $now, answer => "agreed $now");
mark($users[2], 'v2', seen => $now, acknowledged => $now, answer => "declined $now");
mark($new, 'v2', written => $now);
is(counts(status('2')), '12 2 1 2 1 1 10', '... and whoever has a mark of it, by its version, too');
mark($users[3], 'v3', acknowledged => $now, answer => "agreed $now");
$t->publish($t->bundle(version => '3', changes => [{ kind => 'contact', summary => 'y' }]), @urgent);
$status = status('v2');
is($status->{superseded}, 1, 'one answered the newer one');
is(counts($status), '12 2 1 2 1 1 9', '... and is no longer waited for');
is_deeply({ map { $_->{subject} => $_->{answer} } grep { $_->{answer} } rows('v2') }, { text($users[1]) => 'agreed',
    text($users[2]) => 'declined', text($users[3]) => 'superseded' }, '... in the export');
ok(!(grep { $_ eq text($users[3]) } unreached('v2')), '... and reached');

# What cannot be followed

for my $bad (['v1', qr/is the first/], ['nix', qr/no notice nix, and no such version/], ['n99', qr/no notice n99/]) {
    for my $command (qw(status export unreached)) {
        ($exit, $out) = $t->ctl('notice', $command, @follow, $bad->[0]);
        is($exit, 1, "$command $bad->[0]");
        like($out, $bad->[1], '... says why');
    }
}
my $public = notice('--public');
($exit, $out) = $t->ctl('notice', 'unreached', @follow, $public);
is($exit, 1, 'nobody in particular');
is(counts(status($public)), '0 0 0 0 0 0 0', '... is counted as nobody');

# Watched

my @watch = ($t->{ctl}, 'notice', 'status', @follow, '--watch', '--interval', '1', $id);
($exit, $out) = Test::Privacy::_run({}, 'sh', '-c', 'timeout 60 "$@" | head -n 2', 'sh', @watch);
my $line = qr/^\S+Z  addressed 12  written 5  seen 3  acknowledged 2  agreed 0  declined 0  waiting 10$/m;
cmp_ok(scalar(() = $out =~ /$line/g),
    '==', 2, 'watched without a terminal: a line each time') or diag($out);
my $screen = terminal(['timeout', '-s', 'INT', '10', @watch]);
cmp_ok(scalar(() = $screen->{text} =~ /\e\[H\e\[J\w/g), '>=', 2, 'on a terminal: drawn anew');
like($screen->{text}, qr/^acknowledged +2 +16\.7 %/m, '... in words');

# What the ledgers say: three users chose in nginx

$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
        location /privacy/ { privacy_center; privacy_session sessionid; }
    }
}
CONF
$t->start;
my %chose = (ines => 'accept_all', jan => 'reject_all', kim => 'accept_all');
for my $name (sort keys %chose) {
    my $v = $t->visitor;
    $v->get("/login?$name");
    $v->get('/');
    $v->choose($chose{$name});
    my $subject = pseudonym($name);
    ok(wait_for(sub { $redis->command('EXISTS', "privacy:{$site:$subject}:ledger") }), "$name chose");
    meet(bytes($subject), int time);
}
my $granted = notice('--granted', 'analytics');
is_deeply([unreached($granted)], [sort map { pseudonym($_) } 'ines', 'kim'], 'to who consents to a purpose');
my $before = notice('--bound-before', '3');
is(counts(status($before)), '0 0 0 0 0 0 0', 'nobody is bound to an older version');
$t->publish($t->bundle(version => '4', changes => [{ kind => 'contact', summary => 'z' }]), @urgent);
is_deeply([unreached(notice('--bound-before', '4'))], [sort map { pseudonym($_) } sort keys %chose],
    '... than the next: those three');
is(counts(status('v4')), '14 0 0 0 0 0 14', 'the change is for all who were met before, or are bound to an older one');
$t->stop;

# A hundred thousand: counted right, in bounded memory

my $many = notice('--all');
my ($peak_few) = measured($many);
my $people = 100_000;
seed($people, $many);
my ($peak, $seconds, $answer) = measured($many);
my $known = 15;
my $unreached = $people * 9 / 10 + $known;
is(counts($answer), join(' ', $people + $known, $people / 2, $people / 4, $people / 10, 0, 0, $unreached),
    "$people users are counted");
cmp_ok($seconds, '<', 60, sprintf '... in %.1f s', $seconds);
SKIP: {
    skip 'a sanitizer keeps memory', 1 if $ENV{TEST_SANITIZE};
    cmp_ok($peak - $peak_few, '<', 8192, "... in $peak KB of memory, $peak_few KB with a few users");
}
is(scalar(unreached($many)), $unreached, '... and listed');

$t->finish;


# A hundred thousand users with marks, in one stream of commands.
sub seed {
    my ($n, $notice) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $redis->socket, Type => Socket::SOCK_STREAM()) or die "socket: $!";
    my ($bytes, $sent) = ('', 0);
    my $add = sub { $bytes .= '*' . @_ . "\r\n" . join('', map { '$' . length($_) . "\r\n$_\r\n" } @_); $sent++ };

    for my $i (0 .. $n - 1) {
        my $subject = pack 'NNNN', ($i * 2654435761) % 4294967296, $i, 7, 7;
        my $name = "privacy:{$site:" . text($subject) . '}:notices';
        $add->('HSET', sprintf("privacy:$site:users:%02x", ord $subject), $subject, $now);
        $add->('HSET', $name, "$notice:written", $now, $i % 4 == 0 ? ("$notice:seen", $now) : (),
            $i % 20 == 0 ? ("$notice:acknowledged", $now) : ()) if $i % 2 == 0;
        $add->('HSET', $name, "$notice:acknowledged", $now) if $i % 20 == 1;

        if (length $bytes > 200_000 || $i == $n - 1) {
            print $socket $bytes;
            $socket->flush;
            defined(my $line = <$socket>) or die 'Redis has gone' for 1 .. $sent;
            ($bytes, $sent) = ('', 0);
        }
    }
}


# The most memory that it had, in KB; how long it took; what it said.
sub measured {
    my ($notice) = @_;

    my $begin = time;
    my $path = "$t->{dir}/measured";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', $path;
        exec { $t->{ctl} } $t->{ctl}, 'notice', 'status', @follow, '--json', $notice or POSIX::_exit(127);
    }
    my $peak = 0;
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        # before it is the other program it is this one
        my $status = (readlink("/proc/$pid/exe") // '') =~ /privacyctl/ ? slurp("/proc/$pid/status") : '';
        $peak = $1 if $status =~ /^VmHWM:\s*(\d+)/m && $1 > $peak;
        sleep 0.002;
    }
    return ($peak, time - $begin, json(slurp($path)));
}
