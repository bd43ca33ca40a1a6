#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl check, publish and versions against a real Redis; no nginx.

use strict;
use warnings;
use utf8;

use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('publishing', module => '');
$t->redis->start;

my $keys = $t->keys_dir;
my $site = $t->site;
my @key = ('--key', "$keys/$site.key");
my @public = ('--public', "$keys/$site.pub");
my @editorial = (changes => [{ kind => 'editorial' }]);
my @contact = (changes => [{ kind => 'contact', summary => { 'zh-CN' => 'x', en => 'x' } }]);

sub publish { return $t->ctl('publish', @_, $t->ctl_site, @key, '--yes') }
sub versions { return json(($t->ctl('versions', $t->ctl_site, @public, '--json'))[1]) }

sub refused {
    my ($expected, $what, @arguments) = @_;
    my $before = @{versions()};
    my ($status, $out) = publish(@arguments);
    is($status, 1, "$what: refused");
    like($out, $expected, '... says why');
    is(scalar @{versions()}, $before, '... and nothing was published');
}

# A folder that is wrong in several places

my $wrong = $t->bundle(version => 'a b', choice_days => 0, colour => 'blue', languages => ['zh-CN', 'en', 'fr']);
my ($status, $out) = $t->ctl('check', $wrong);
is($status, 1, 'a bundle with errors is refused');
like($out, qr/policy\.json:\d+: $_: /, "... names $_") for qw(version choice_days colour languages);
refused(qr/colour/, 'an unknown field', $wrong);

# The first version, and the same again

my $first = $t->bundle;
($status, $out) = $t->ctl('check', $first);
is($status, 0, 'a bundle that is in order') or diag($out);
($status, $out) = publish($first);
is($status, 0, 'published') or diag($out);
($status, $out) = publish($first);
is($status, 0, 'publishing it again is harmless');
like($out, qr/already published/, '... and says so');
is(scalar @{versions()}, 1, '... once in the log');

# What has to fit

refused(qr/version: /, 'another bundle under the same id', $t->bundle(@editorial, choice_days => 90));
refused(qr/changes: is empty/, 'no kind of change', $t->bundle(version => '2'));
refused(qr/7 days/, 'a material change without lead time', $t->bundle(version => '2', @contact));
refused(qr/effective: is before/, 'an effective time before the last', $t->bundle(version => '2', @editorial,
    effective => '2025-01-01T00:00:00Z'));

($status, $out) = publish($t->bundle(version => '2', @contact), '--urgent', '法院命令');
is($status, 0, 'urgent, with a reason') or diag($out);
($status, $out) = publish($first);
is($status, 0, 'an older version again changes nothing');
is(scalar @{versions()}, 2, '... two in the log');
refused(qr/published already, as number 1/, 'an id of long ago', $t->bundle(@editorial, choice_days => 90));

# Nobody is logged out by a forgotten line

my @purposes = @{Test::Privacy::Bundle::purposes()};
pop @{$purposes[0]{cookies}};
my $forgotten = $t->bundle(version => '3', @editorial, purposes => \@purposes, changes => [{ kind => 'purposes',
    purposes => ['necessary'], summary => 'x' }]);
my @urgent = ('--urgent', 'x');

refused(qr/csrftoken/, 'a necessary cookie is missing', $forgotten, @urgent);
spew("$keys/seen.json", qq({"sites":[{"name":"$site","inventory":[{"name":"csrftoken","count":3,"dropped":0}]}]}));
refused(qr/csrftoken" passed as necessary 3 times/, '... and is in use', $forgotten, @urgent, '--inventory', "$keys/seen.json");
spew("$keys/unseen.json", qq({"sites":[{"name":"$site","inventory":[]}]}));
($status, $out) = publish($forgotten, @urgent, '--inventory', "$keys/unseen.json");
is($status, 0, '... but may go when nobody has it') or diag($out);

# Two admins at the same time: one of them is told

my @pids = map {
    my $folder = $t->bundle(version => '4', @editorial, purposes => \@purposes,
        texts => { 'zh-CN' => "# $_\n", en => "# $_\n" });
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec { $t->{ctl} } $t->{ctl}, 'publish', $folder, $t->ctl_site, @key, '--yes' or POSIX::_exit(127);
    }
    $pid;
} 1 .. 4;
my @codes = sort map { waitpid($_, 0); $? >> 8 } @pids;
is_deeply(\@codes, [0, 1, 1, 1], 'of four at the same time one publishes');
is(scalar @{versions()}, 4, '... one entry more');
is(scalar(grep { $_->{verified} } @{versions()}), 4, 'signatures and chain hold');
is_deeply([map { $_->{in_force} ? 1 : 0 } @{versions()}], [0, 0, 0, 1], 'the newest is in force');

# Redis lost everything: only publishing with a node's folder refills it

my $cache = "$t->{dir}/node";
make_path("$cache/$site");
for my $version (@{versions()}) {
    spew(sprintf("%s/%s/%010d.bundle", $cache, $site, $version->{number}),
        $t->redis->command('GET', "privacy:$site:bundle:$version->{digest}"));
}
my @digests = map { $_->{digest} } @{versions()};

$t->redis->command('FLUSHALL');
my $altered = slurp("$cache/$site/0000000002.bundle");
spew("$cache/$site/0000000002.bundle", $altered =~ s/"version":"2"/"version":"9"/r);
($status, $out) = publish($first, '--cache', $cache);
is($status, 1, 'an altered bundle in the folder: not refilled from it');
like($out, qr/0000000002\.bundle/, '... names it');
is(scalar @{versions()}, 0, '... and not half of it either');

spew("$cache/$site/0000000002.bundle", $altered);
($status, $out) = publish($first, '--cache', $cache);
is($status, 0, 'refilled from the folder') or diag($out);
is_deeply([map { $_->{digest} } @{versions()}], \@digests, '... the same versions in the same order');

$t->redis->command('XDEL', "privacy:$site:policies", '4-0');
$t->redis->command('XSETID', "privacy:$site:policies", '3-0');
($status, $out) = publish($first, '--cache', $cache);
is_deeply([map { $_->{digest} } @{versions()}], \@digests, 'a log that lost its end is completed') or diag($out);

unlink "$cache/$site/0000000001.bundle", "$cache/$site/0000000002.bundle";
($status, $out) = publish($first, '--cache', $cache);
is($status, 0, 'a folder with a gap that the log fills') or diag($out);

# A log that was tampered with

$t->redis->command('SET', "privacy:$site:bundle:$digests[1]", 'x');
($status, $out) = $t->ctl('versions', $t->ctl_site, @public);
is($status, 1, 'an altered bundle in Redis is found');
like($out, qr/^\s+2 .* NO: /m, '... and named');
unlike($out, qr/^\s+[134] .* NO: /m, '... no other');

my ($other_status) = $t->ctl('keygen', '--site', 'other', "$keys/other");
is($other_status, 0, 'another key pair');
($status, $out) = $t->ctl('keygen', '--json', '--rotate', 'cookie', "$keys/other/keys");
is_deeply([map { $_->{file} } @{json($out)}], ["$keys/other/keys"], '... what was written, as JSON');
($status, $out) = $t->ctl('publish', $t->bundle(version => '5', @editorial), $t->ctl_site, '--yes',
    '--key', "$keys/other/other.key");
is($status, 1, 'a foreign key cannot go on with the log');

$t->redis->kill;
($status) = publish($first);
is($status, 3, 'without Redis: 3');

$t->finish;
