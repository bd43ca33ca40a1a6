#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The demo as its reader finds it: started twice, looked at in a browser, ended, with nothing left behind.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../../t/lib";
use IPC::Open2 qw(open2);
use Test::More;
use Test::Privacy;
use Browser;

my $root = abs_path("$FindBin::Bin/../..");
my $modules = Browser::ready() or exit;
my $dir = "$root/build/demo.$$";
my ($pid, $origin);

for my $run (qw(first second)) {
    start();
    ok($origin, "the $run run says where it is") or last;
    Browser::scenarios(undef, 'demo', undef, { origin => $origin, run => $run, address => '127.0.0.1', log => "$dir/none",
        modules => $modules, screenshots => "$root/build/browser/demo" });

    my @pids = map { slurp("$dir/$_.pid") =~ /(\d+)/ } qw(nginx redis);
    is(scalar @pids, 2, 'nginx and Redis are its own');
    is(end(), 0, 'it ends well');
    is_deeply([grep { -e "/proc/$_" } @pids], [], 'and they with it');
    my @alarms = grep { /\[(?:emerg|alert|crit)\]/ } split /\n/, slurp("$dir/error.log");
    is_deeply(\@alarms, [], 'without an alarm');
}

done_testing();


sub start {
    local %ENV = (%ENV, RUN_DIR => $dir, PORT => 20000 + $$ % 10000,
        PRIVACY_MODULE => $ENV{TEST_NGINX_MODULE} || "$root/build/ngx_http_privacy_module.so",
        PRIVACYCTL => $ENV{TEST_PRIVACYCTL} || "$root/build/privacyctl");
    $pid = open2(my $out, undef, "$root/demo/run");
    undef $origin;
    while (my $line = <$out>) {
        $origin = $1 if $line =~ m{The shop\s+(http://[\d.:]+)/};
        last if $line =~ /Ctrl-C/;
    }
}


sub end {
    my $demo = $pid or return;

    undef $pid;
    kill 'INT', $demo;
    waitpid $demo, 0;
    return $?;
}


END {
    my $status = $?;
    end();
    remove_tree($dir) if $dir && Test::More->builder->is_passing;
    $? = $status;
}
