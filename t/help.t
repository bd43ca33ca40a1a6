#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What privacyctl says of itself: --help of each command, the manual page and the completion name the same commands and
# options, and `make install` installs them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('help', module => '');
my $root = $t->root;
my ($status, $out) = $t->ctl('--help');
is($status, 0, 'help');

my @commands = $out =~ /^  ([\w-]+) +\S/mg;
cmp_ok(scalar @commands, '>=', 10, 'it lists the commands');
like($out, qr/^$_:$/m, "... under \"$_\"") for 'Set up', 'Write a policy', 'Publish it', 'Tell people', 'Keep it',
    'Watch it';

# Some have commands of their own

my @all = map {
    my $command = $_;
    my ($status, $out) = $t->ctl($command, '--help');
    my @own = $out =~ /\Ausage: privacyctl \w+ COMMAND / ? $out =~ /^  (\w+) +\S/mg : ();
    is_deeply([complete($command, '')], [sort @own, 'help'], "commands of $command are completed") if @own;
    ($command, map { "$command $_" } @own);
} @commands;
is(scalar(grep { / / } @all), 7, 'commands of commands');

# The manual page: a section a command, an entry an option

my $manual = slurp("$root/docs/privacyctl.1");
my ($described) = $manual =~ /^\.SH COMMANDS\n(.*?)^\.SH /ms;
my %manual = map { my ($name, $text) = /\A([^\n]+)\n(.*)\z/s; ($name =~ s/\\-/-/gr => $text) } grep { /\S/ }
    split /^\.SS /m, $described;
is_deeply([sort keys %manual], [sort @all], 'the manual has the same commands');

for my $command (@all) {
    my @words = split ' ', $command;
    ($status, $out) = $t->ctl(@words, '--help');
    is($status, 0, "$command --help");
    like($out, qr/\Ausage: privacyctl $command /, '... begins with how it is called');

    my %help = map { /^  --([\w-]+)(?: (\S+))?/ ? ($1 => $2 // '') : () } split /\n/, $out;
    delete $help{help};

    my %entries;
    for my $entry ($manual{$command} =~ /^\.B I?\s?(?!privacyctl)(.*)$|^\.BI (.*)$/mg) {
        next if !defined $entry || $entry !~ /^\\-\\-/;
        my ($name, $value) = $entry =~ /^(\S+)(?: " (.*)")?$/;
        s/\\-/-/g for grep { defined } $name, $value;
        $entries{substr $name, 2} = $value // '';
    }
    is_deeply(\%entries, \%help, "... the manual has the options of $command");

    ($status, $out) = $t->ctl(@words, '--no-such-option');
    is($status, 2, '... another is called wrongly');
    like($out, qr/there is no option --no-such-option\nusage: privacyctl $command /, '... which says how to call it');
    is_deeply([complete(@words, '--')], [sort map({ "--$_" } keys %help), '--help'], '... the completion, too');
}

is_deeply([complete('')], [sort @commands, 'help'], 'commands are completed');
is_deeply([complete('publish', '--color', 'a')], ['always', 'auto'], '... and values');
is_deeply([complete('check', "$root/demo/pol")], ["$root/demo/policy"], '... and files');

SKIP: {
    skip 'no groff here', 1 if system('command -v groff >/dev/null 2>&1') != 0;
    is(`groff -man -Tutf8 -ww -z '$root/docs/privacyctl.1' 2>&1`, '', 'the manual is in order');
}

my $installs = slurp("$root/Makefile");
like($installs, qr{install .*docs/privacyctl\.1 .*share/man/man1/}, 'the manual is installed');
like($installs, qr{install .*conf/privacyctl\.bash .*bash-completion/completions/privacyctl}, '... and the completion');

$t->finish;


# What bash offers at the end of these words.
sub complete {
    my @words = ('privacyctl', @_);

    my $script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _privacyctl; printf "%s\n" "${COMPREPLY[@]}"';
    my $pid = open(my $in, '-|') // die "fork: $!";
    exec 'bash', '-c', $script, "$root/conf/privacyctl.bash", @words or POSIX::_exit(127) if !$pid;
    my @offered = sort map { chomp; $_ } <$in>;
    close $in;
    return @offered;
}
