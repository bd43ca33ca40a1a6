#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What was written once stays readable: t/formats/N.* is a site as the software wrote it in format N (a backup, the keys
# of its node and of its publisher, a visitor's cookie). It can never be made again, and is never changed: a new format
# adds files of its own. And what is in a newer format than is known is named, counts for nothing, and is left alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('formats');
my $redis = $t->redis;
my $dir = $t->dir;
my $old = $t->root . '/t/formats/1';

make_path("$dir/keys");
chmod 0755, "$dir/keys";
spew("$dir/keys/keys", slurp("$old.keys"));
chmod 0600, "$dir/keys/keys";
spew("$dir/keys/example.pub", slurp("$old.pub"));
my @proof = ('--public', "$dir/keys/example.pub", '--keys', "$dir/keys/keys");

# The backup is what it was, byte by byte, and proves what it proved

is(sha256_hex(slurp("$old.backup")), '0e7f2ee5458488f9ea2275ed0f37c7b484319f179454572555e2edc0d962f2c2', 'the files of format 1 are those that were written');
my ($status, $out) = $t->ctl('verify-backup', "$old.backup", @proof);
is($status, 0, 'format 1: the backup is proven') or diag $out;
like($out, qr/5 subjects with 9 records: every chain holds/, '... with every record') or diag $out;
like($out, qr/5 published entries: signatures and chain hold/, '... and entries of every kind') or diag $out;
$redis->start;
($status, $out) = $t->ctl('restore', $t->ctl_site, "$old.backup");
is($status, 0, '... and restored') or diag $out;

sub subject {
    my ($user) = @_;
    my ($status, $out) = $t->ctl('subject', '--user', $user, @proof[2, 3], '--site', 'example');
    chomp $out;
    return $out;
}
sub records {
    my ($subject) = @_;
    my ($status, $out) = $t->ctl('ledger', $subject, $t->ctl_site, @proof, '--json');
    return [map { join ' ', grep { defined } @$_{qw(how proof)} } @{json($out)->{records}}];
}
my %subject = map { $_ => subject($_) } qw(alice bob carol);
is_deeply(records($subject{alice}), ['accept_all holds', 'agree holds'], 'who agreed to a version');
is_deeply(records($subject{bob}), ['accept_all holds', 'decline holds'], 'who declined it');
is_deeply(records($subject{carol}), ['custom holds', 'withdraw holds'], 'who withdrew');
($status, $out) = $t->ctl('notice', 'list', $t->ctl_site, @proof[0, 1], '--json');
is_deeply([sort map { $_->{id} } @{json($out)}], [qw(n1 n2 v2)], 'what was sent') or diag $out;

# nginx goes on with it

$t->upstream(sub {
    my ($request) = @_;
    my ($session) = (Test::Privacy::Upstream::header($request, 'Cookie') // '') =~ /\bsessionid=([^;]*)/;
    return { headers => ['Content-Type' => 'text/html', ($session // '') =~ /^(\w+)$/ ? ('X-Privacy-User' => $1) : ()],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</p></body></html>' };
});
$t->config(site_conf(<<'CONF'));
    add_header X-Version "<$privacy_version>" always;
    add_header X-Bound "<$privacy_bound_version>" always;
    add_header X-Subject "<$privacy_subject>" always;
    location / { proxy_pass %%UPSTREAM%%; privacy_user_header X-Privacy-User; privacy_session sessionid; }
CONF
$t->start;
sub status { return json($t->get('/status')->body)->{sites}[0] }
sub user {
    my ($name) = @_;
    my $v = $t->visitor(headers => ['Accept-Language' => 'en']);
    $v->jar->{sessionid} = $name;
    $v->get('/') for 1 .. 2;
    return $v;
}

ok(wait_for(sub { $t->get('/')->header('X-Version') eq '<2>' }, 20), 'nginx: the version in force is the one of then');
is($t->get('/privacy/versions/2026-01-01')->status, 200, '... with the archive');
my $alice = user('alice');
# the first page may go on without Redis, where it takes its time
ok(wait_for(sub { $alice->get('/')->header('X-Bound') eq '<2>' }), '... what binds a user who agreed');
my $v = $t->visitor;
(my $cookie = slurp("$old.cookie")) =~ s/\n//;
$v->jar->{privacy} = $cookie;
ok(wait_for(sub { $v->get('/')->header('X-Bound') eq '<2>' }, 20), '... a visitor with the cookie of then');
my ($visitor) = $v->page->header('X-Subject') =~ /<(.*)>/;
$v->get('/privacy/choices');
is($v->choose('reject_all')->status, 303, '... who chooses again');
is_deeply(records($visitor), ['custom holds', 'accept_all holds', 'reject_all holds'], '... behind the records of then');
is(status()->{counters}{ledger_damaged}, 0, '... nothing is taken for damaged');

# A record in a newer format

my $key = "privacy:{example:$subject{carol}}:ledger";
my $newer = "\x02" . 'whatever it is';
$redis->command('HSET', $key, 3, $newer);
my $carol = user('carol');
my $record_is = qr/has a record in format 2 near position \d+, and this node reads formats up to 1: bring it up to date/;
ok(wait_for(sub { $t->log =~ $record_is }, 20), 'a record in a newer format: nginx says so');
is($carol->page->header('X-Bound'), '<>', '... it counts for nothing');
$carol->get('/privacy/choices');
is($carol->choose('accept_all')->status, 503, '... nothing is put on top of it');
is($redis->command('HGET', $key, 3), $newer, '... and it stays');
is($redis->command('HLEN', $key), 3, '... as it is');
($status, $out) = $t->ctl('ledger', $subject{carol}, $t->ctl_site, @proof);
like("$status $out", qr/^1 .*NEWER: in a format that this privacyctl does not know: use a newer one/s, 'privacyctl, too');
($status, $out) = $t->ctl('backup', $t->ctl_site, '--output', "$dir/newer.backup");
is($status, 0, 'it is backed up all the same') or diag $out;
($status, $out) = $t->ctl('verify-backup', "$dir/newer.backup");
like("$status $out", qr/^1 .*position 3 is in format 2, and this privacyctl reads formats up to 1: use a newer one/s,
    '... but not proven');

# An entry of the log, and a notice: the version in force stays, and what is not known is not shown

my $zeros = '0' x 64;
my $proof = 'A' x 86;
my $head = qq({"format":2,"kind":"decree","previous":"$zeros","sequence":6,"site":"example","what":"unknown"});
my $digest = sha256_hex($head);
my $newer_is = qr/is format 2, and this version of the software knows formats up to 1: use a newer one/;
$redis->command('SET', "privacy:example:bundle:$digest", "privacy-bundle 1\n$proof\n$head\n");
$redis->command('XADD', 'privacy:example:policies', '6-0', kind => 'version', digest => $digest, version => '6',
    effective => 1);
$redis->command('PUBLISH', 'privacy:example:events', 'published 6');
ok(wait_for(sub { $t->log =~ /bundle 6 in Redis is refused: .*format.*$newer_is/ }, 20),
    'an entry in a newer format: nginx says so');
is($t->get('/')->header('X-Version'), '<2>', '... the version in force stays');
($status, $out) = $t->ctl('versions', $t->ctl_site, @proof[0, 1]);
like("$status $out", qr/^1 .*NO: $newer_is/s, '... so does privacyctl') or diag $out;
$redis->command('XADD', 'privacy:example:notices', '3-0', sealed => "privacy-notice 1\n$proof\n"
    . qq({"format":2,"kind":"song","number":3,"site":"example"}\n));
$redis->command('PUBLISH', 'privacy:example:events', 'noticed 3');
ok(wait_for(sub { $t->log =~ /notice.*3.*format.*$newer_is/ }, 20), 'a notice in a newer format: nginx says so');

# What has no number: fields and words that are not known are passed over

$redis->command('HSET', "privacy:{example:$subject{bob}}:notices", 'n1:sung', time, 'x9:written', time);
is(user('bob')->get('/privacy/notices')->status, 200, 'what became of a notice, in a word that is not known');
$redis->command('PUBLISH', 'privacy:example:events', 'sang 3');
is($t->get('/')->status, 200, 'an event that is not known');

$t->finish;
