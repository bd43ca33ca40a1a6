package Bench::Archive;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The archive's figures. Redlines: ours, git's words and diff-match-patch on the same plain texts, in turn. Ours is
# given the HTML that is published and makes a page of it; git's time has its start in it; diff-match-patch is timed from
# within. Milliseconds of CPU.

use strict;
use warnings;

use File::Temp ();

my %worst = (
    'none.en' => 'none-en',         # 1 MB against 1 MB with nothing in common
    'none.zh' => 'none-zh',
    'near'    => 'near-en',         # every block was edited
    'line'    => 'line',            # one paragraph
);


sub new {
    my ($class, $programs, $rounds) = @_;

    my $self = bless { program => "$programs/bench_diff", rounds => $rounds, dir => File::Temp->newdir }, $class;
    $self->{modules} = $ENV{BENCH_NODE_MODULES} || "$programs/../bench-node";
    return $self;
}


# Texts of 100 KB that share 95 %, in English and Chinese; then what costs most.
sub diff {
    my ($self) = @_;

    -x $self->{program} or die "bench_diff is not built\n";
    my (%ms, %marked);
    for my $round (1 .. $self->{rounds}) {
        for my $kind (qw(en zh)) {
            my $one = $self->_one($kind, $round);
            push @{$ms{$_}}, $one->{$_}{ms} for keys %$one;
            push @{$marked{$_}}, $one->{$_}{marked} for keys %$one;
        }
    }
    _say('archive.diff.ms', \%ms, 'git');
    _say('archive.diff.ms.dmp', \%ms, 'dmp');
    _say('archive.diff.size', \%marked, 'dmp');
    _say('archive.diff.size.git', \%marked, 'git');
    $self->_worst;
}


# The most of all kinds is the figure; each is said, too.
sub _worst {
    my ($self) = @_;

    my %most;
    for my $name (sort keys %worst) {
        my %ms;
        for my $round (1 .. 3) {
            my $one = $self->_one($worst{$name}, $round);
            push @{$ms{$_}}, $one->{$_}{ms} for keys %$one;
        }
        _say("archive.diff.worst.$name", \%ms, 'git');
        %most = %ms if !%most || Bench::Figures::median(@{$ms{ours}}) > Bench::Figures::median(@{$most{ours}});
    }
    _say('archive.diff.worst.ms', \%most, 'git');
    _say('archive.diff.worst.ms.dmp', \%most, 'dmp');
}


sub _one {
    my ($self, $kind, $number) = @_;

    my ($program, $dir) = ($self->{program}, $self->{dir});
    my (%one, @line);
    system($program, '-g', $kind, $number, $dir) == 0 or die "$kind: no texts\n";

    @line = split ' ', `$program -m $kind $number`;
    $one{ours} = { ms => $line[0], marked => $line[2] };

    my $git = "git diff --no-index --no-color --word-diff=porcelain $dir/a.txt $dir/b.txt";
    ($line[0]) = `$program -r $git 2>&1 >$dir/git.txt` =~ /^([\d.]+)$/m or die "git: no time\n";
    $one{git} = { ms => $line[0], marked => _git_marked("$dir/git.txt") };

    if (-d "$self->{modules}/node_modules") {
        local $ENV{NODE_MODULES} = $self->{modules};
        @line = split ' ', `node $FindBin::Bin/diff_match_patch.mjs $dir/a.txt $dir/b.txt`;
        $one{dmp} = { ms => $line[0], marked => $line[1] } if @line == 2;
    }
    return \%one;
}


# Characters in lines of the porcelain that begin with + or -.
sub _git_marked {
    my ($path) = @_;

    my ($marked, $head) = (0, 1);
    open my $in, '<:encoding(UTF-8)', $path or die "$path: $!";
    while (my $line = <$in>) {
        $head = 0 if $line =~ /^\@\@/;
        next if $head || $line !~ /^[+-](.*)/;
        $marked += length $1;
    }
    return $marked;
}


sub _say {
    my ($name, $values, $other) = @_;

    if (!$values->{$other} || @{$values->{$other}} != @{$values->{ours}}) {
        print STDERR "$name: $other is not there\n";
        return;
    }
    my ($ours, $theirs) = ($values->{ours}, $values->{$other});
    Bench::Figures::say_figure($name, $ours, $theirs,
        [map { $theirs->[$_] ? $ours->[$_] / $theirs->[$_] : 1 } 0 .. $#$ours]);
}


1;
