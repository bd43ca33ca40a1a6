package Bench::Publish;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# How long who publishes waits: a bundle of 100 KB in three languages, after a thousand such versions.

use strict;
use warnings;

use File::Path qw(make_path);
use POSIX qw(strftime);
use Test::Privacy;
use Time::HiRes qw(time);

use Bench::Figures;
use Bench::Store;

our $before = 1000;
our $times = 7;


# Seconds on the wall, from the command to the answer; the middle of several.
sub measure {
    my ($bench) = @_;

    my $t = $bench->{t};
    my $site = $t->site;
    my $redis = Test::Privacy::Redis->new("$bench->{dir}/publish.redis");
    $redis->start;

    my $key = $t->keys_dir . "/$site.key";
    my @publish = ('publish', '--yes', '--site', $site, '--key', $key, '--redis', $redis->url);
    my $first = _bundle($t, 'v00000001', 0);
    _run($t, @publish, $first);

    # The rest of the thousand is made by a program, and put into Redis as a lost log is: from a node's folder.
    my ($entry) = @{$redis->command('KEYS', "privacy:$site:bundle:*")};
    spew("$bench->{dir}/publish.bundle", $redis->command('GET', $entry));
    make_path("$bench->{dir}/publish");
    system("$bench->{programs}/bench_archive", "$bench->{dir}/publish/$site", "$bench->{dir}/publish.bundle", $key,
        $before) == 0
        or die "bench_archive failed\n";
    _run($t, @publish, '--cache', "$bench->{dir}/publish", $first);
    my $length = $redis->command('XLEN', "privacy:$site:policies");
    $length == $before or die "the log has $length versions\n";

    my @seconds;
    for my $i (1 .. $times) {
        my $folder = _bundle($t, "next-$i", $i);
        my $begin = time;
        _run($t, @publish, $folder);
        push @seconds, time - $begin;
    }
    $redis->command('XLEN', "privacy:$site:policies") == $before + $times or die "not all were published\n";
    $redis->stop;

    printf "archive.publish.s\t%.3f\t-\t-\n", Bench::Figures::median(@seconds);
    printf STDERR "# archive.publish: %s s\n", join ' ', map { sprintf '%.3f', $_ } sort { $a <=> $b } @seconds;
}


sub _bundle {
    my ($t, $version, $i) = @_;

    my %texts = ('zh-CN' => Bench::Store::_text('zh'), en => Bench::Store::_text('en'), ja => Bench::Store::_text('ja'));
    $texts{$_} .= "## $version\n" for $i ? keys %texts : ();
    return $t->bundle(version => $version, languages => ['zh-CN', 'en', 'ja'], texts => \%texts,
        effective => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 86400 * 3650)), changes => [{ kind => 'editorial' }]);
}


sub _run {
    my ($t, @command) = @_;

    my ($status, $out) = $t->ctl(@command);
    die "privacyctl @command: $out" if $status;
}


1;
