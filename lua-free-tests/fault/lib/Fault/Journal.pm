package Fault::Journal;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What visitors were told (Fault::Visitors), and how it is held against ledgers:
#
#   lost        told that it is saved, and at its place stands nothing, or something else
#   duplicated  one choice, more than one record
#   unasked     a record of no choice that anybody made, or granting more than was asked for and stood before
#   unproven    a record that the chain does not prove
#   differ      what a browser is told at the end is not what the ledger says
#
# In a sum are also choices that were hasty: turned away (503) before the 2 s were over that nginx has for one.
#
# A choice that was not acknowledged (503, or no answer at all) may be there or not, but not twice: except for one that
# grants and refuses, whose answer was lost. It may be there whole, and its refusal, which the browser took along, on top
# of it: what was not said to be saved is then not granted.

use strict;
use warnings;

use JSON::PP ();

our %means = (
    lost => 'nothing acknowledged is lost',
    duplicated => 'nothing is recorded twice',
    unasked => 'nothing is recorded, and nothing granted, that nobody asked for',
    unproven => 'every chain holds',
    gaps => 'no ledger lacks a record before its newest',
    differ => 'browsers are told what the ledgers say',
);

my $json = JSON::PP->new->utf8;


sub new {
    my ($class, $path, $pid) = @_;

    return bless { path => $path, pid => $pid, seen => 0, acknowledged => 0, entries => [] }, $class;
}


sub pid { $_[0]{pid} }


sub acknowledged {
    my ($self) = @_;

    $self->entries;
    return $self->{acknowledged};
}


# All of it so far; what is half written is left for the next time.
sub entries {
    my ($self) = @_;

    open my $in, '<:raw', $self->{path} or return;
    seek $in, $self->{seen}, 0;
    while (defined(my $line = <$in>)) {
        last if $line !~ /\n\z/;
        $self->{seen} += length $line;
        my $entry = $json->decode($line);
        $self->{acknowledged}++ if $entry->[0] eq 'told' && $entry->[2] == 200;
        push @{$self->{entries}}, $entry;
    }
    return @{$self->{entries}};
}


sub account {
    my ($entries, $ledgers) = @_;

    my %sum = (map({ $_ => [] } 'hasty', keys %means),
        map { $_ => 0 } qw(acknowledged unknown refused unknown_recorded records failed));
    my (%asked, %told);
    for (@$entries) {
        my ($what, $number, @more) = @$_;
        $asked{$number} = join ',', @{$more[1]} if $what eq 'asked';
        $told{$number} = { status => $more[0], subject => $more[1], position => $more[2], took => $more[3] }
            if $what eq 'told';
        $sum{failed}++ if $what eq 'failed';
    }

    my %recorded = _records(\%sum, $ledgers, \%asked, \%told);

    for my $number (sort { $a <=> $b } keys %asked) {
        my $told = $told{$number} // { status => 0 };
        if ($told->{status} == 200) {
            $sum{acknowledged}++;
            my $found = $ledgers->{$told->{subject}}[$told->{position} - 1];
            my $says = $found && $found->{granted} ? join ',', sort @{$found->{granted}} : 'nothing';
            push @{$sum{lost}}, "choice $number ($asked{$number}) at $told->{subject}:$told->{position}: found $says"
                if !$told->{position} || $says ne $asked{$number};
        } elsif ($told->{status} == 503 || $told->{status} == 0) {
            $sum{unknown}++;
            $sum{unknown_recorded}++ if $recorded{$number};
            push @{$sum{hasty}}, sprintf 'choice %d: %d after %.2f s', $number, @$told{qw(status took)}
                if $told->{status} == 503 && $told->{took} < 1.9;
        } else {
            $sum{refused}++;
        }
    }

    for (grep { $_->[0] eq 'holds' } @$entries) {
        my (undef, $name, $subject, $position, $consent) = @$_;
        next if $subject eq '' && !@$consent;           # undecided: is asked again
        my $ledger = $ledgers->{$subject} || [];
        my $newest = @$ledger && $ledger->[-1]{granted} ? join ',', sort @{$ledger->[-1]{granted}} : 'nothing';
        push @{$sum{differ}}, "visitor $name: position $position, @$consent; ledger: " . @$ledger . ", $newest"
            if @$ledger != $position || $newest ne join ',', @$consent;
    }

    $sum{ledgers} = keys %$ledgers;
    return \%sum;
}


# Every record: proven, of a choice that was sent, saying what it asked for, and the only one of it.
sub _records {
    my ($sum, $ledgers, $asked, $told) = @_;

    my (%recorded, %twice);
    for my $subject (sort keys %$ledgers) {
        my (%before, $gap);
        for my $record (@{$ledgers->{$subject}}) {
            my $where = "$subject:" . ($record->{position} // '?');
            if (!defined $record->{client} || !$record->{granted}) {        # a browser went on from one that was lost
                push @{$sum->{gaps}}, $where;
                $gap = 1;
                next;
            }
            my @network = $record->{client} =~ m{^(\d+)\.(\d+)\.(\d+)\.0/24$};
            next if @network && $network[0] < 10;       # of a visitor that a spec drives itself

            $sum->{records}++;
            push @{$sum->{$gap ? 'gaps' : 'unproven'}}, "$where: $record->{proof}" if $record->{proof} ne 'holds';
            my $number = @network ? ($network[0] - 10) << 16 | $network[1] << 8 | $network[2] : 0;
            if (my $first = $recorded{$number}) {
                my $refusal = ($told->{$number}{status} // 0) == 503 && !$twice{$number}++
                    && _narrower($record, $ledgers->{$subject}[$record->{position} - 2]);
                push @{$sum->{duplicated}}, "$where: choice $number, as at $first" if !$refusal;
            }
            $recorded{$number} = $where;

            my %may = map { $_ => 1 } split /,/, $asked->{$number} // '';
            %may = (%may, %before) if ($told->{$number}{status} // 0) != 200;
            push @{$sum->{unasked}}, "$where: choice $number, " . join ',', @{$record->{granted}}
                if !exists $asked->{$number} || grep { !$may{$_} } @{$record->{granted}};
            %before = map { $_ => 1 } @{$record->{granted}};
        }
    }
    return %recorded;
}


# Grants less than the one before it, and nothing else.
sub _narrower {
    my ($record, $before) = @_;

    my %granted = map { $_ => 1 } @{$before->{granted}};
    return @{$record->{granted}} < @{$before->{granted}} && !grep { !$granted{$_} } @{$record->{granted}};
}


1;
