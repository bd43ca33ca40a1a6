package Fault::Visitors;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Visitors who choose without end, one after another, in a process of its own, and note what they were told:
#
#     ["asked", number, visitor, granted purposes]       before it is sent
#     ["told", number, status, subject, position, took]  the answer; status 0: none, or half of one; after so many seconds
#     ["failed", visitor, status]                        no form: a page that was not served, or not whole; 0: no connection
#     ["holds", visitor, subject, position, consent]     at the end: what the visitor's browser is told
#
# The number is the network that the choice comes from, and thereby in the record. A new choice differs from the three
# before it, so that each is a record of its own, whichever of them were recorded.

use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Test::Privacy::Client;

my $json = JSON::PP->new->utf8;
my @purposes = qw(analytics marketing profile);
my @sets = ([], ['analytics'], ['marketing'], ['analytics', 'marketing'], [], ['profile'], ['analytics', 'profile'],
    ['marketing', 'profile']);


# peers: where to send it, in turn; journal: the file; first: the first number; visitors: how many there are at a time;
# pause: seconds between two choices; fresh: each request on a connection of its own (one that is kept may be closed the
# moment that the next request is written to it, as by any server that ends); again: whose last choice was not saved
# chooses once more before the end (where Redis lost the ledger that a refusal is to go onto, it waits until then).
sub new {
    my ($class, %options) = @_;

    open my $journal, '>', $options{journal} or die "$options{journal}: $!";
    $journal->autoflush(1);
    return bless { visitors => 6, number => $options{first}, people => 0, pause => 0.003, %options, journal => $journal,
        connections => {} }, $class;
}


# Until TERM.
sub choose {
    my ($self) = @_;

    # between two choices: an answer that is waited for is read to its end
    my ($end, $pending) = (POSIX::SigSet->new(POSIX::SIGTERM()), POSIX::SigSet->new);
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $end);
    local $SIG{PIPE} = 'IGNORE';
    srand $$;

    my @visitors = map { $self->_somebody } 1 .. $self->{visitors};
    while (POSIX::sigpending($pending), !$pending->ismember(POSIX::SIGTERM())) {
        my $i = int rand @visitors;
        $visitors[$i] = $self->_somebody if rand > .97 && !$visitors[$i]{unsure};
        $self->_choose($visitors[$i]);
        sleep $self->{pause} if $self->{pause};
    }

    for my $v ($self->{again} ? @visitors : ()) {
        my $until = time + 20;
        $self->_choose($v) while $v->{unsure} && time < $until;
    }

    # A browser that was never told of its last choice hears of it once its lease (2 s) is over.
    for (1 .. 2) {
        sleep 2.3 / $_;
        $self->_form($_) for @visitors;
    }
    $self->_settle($_) for @visitors;
}


sub _somebody {
    my ($self) = @_;

    return { name => ++$self->{people}, turn => int rand @sets };
}


sub _choose {
    my ($self, $v) = @_;

    my $token = $v->{token} // $self->_form($v) // return sleep 0.02;
    my %granted = map { $_ => 1 } @{$sets[$v->{turn}++ % @sets]};
    my $number = ++$self->{number};
    my $client = $self->_connection($v);
    if (!$client) {
        $self->_failed($v, 0);
        return sleep 0.02;
    }

    $self->_note('asked', $number, $v->{name}, [sort keys %granted]);
    my $began = time;
    my $r = $self->_request($client, $v, 'POST', '/privacy/choices', $json->encode({ token => $token,
        choice => 'custom', purposes => { map { $_ => $granted{$_} ? JSON::PP::true : JSON::PP::false } @purposes } }),
        'X-Real-IP' => join('.', ($number >> 16) + 10, $number >> 8 & 255, $number & 255, 1));

    my $state = $r->complete && $r->status ? eval { $json->decode($r->body) } : undef;
    $state = $state->{state} || $state if $state;
    $self->_note('told', $number, $r->complete ? $r->status : 0, $r->header('X-Subject') // '', $state->{position} // 0,
        time - $began);

    # whose first choice was never answered knows no ledger, and is somebody else from now on
    $v->{token} = $state->{token};
    $v->{unsure} = $r->status == 503 && $v->{jar};
    sleep 0.01 if $r->status != 200;
}


# A fresh form for what the browser knows now.
sub _form {
    my ($self, $v) = @_;

    my $client = $self->_connection($v) // return $self->_failed($v, 0);
    my $r = $self->_request($client, $v, 'GET', '/privacy/choices');
    return $self->_failed($v, $r->status) if $r->status != 200 || !$r->complete;
    my $state = eval { $json->decode($r->body) } // return;
    $v->{pending} = $state->{pending};
    $v->{position} = $state->{position};
    $v->{subject} = $r->header('X-Subject') // '';
    $v->{consent} = $r->header('X-Consent') // '';
    return $v->{token} = $state->{token};
}


sub _settle {
    my ($self, $v) = @_;

    return if !$v->{jar};
    my ($deadline, $answered) = (time + 45, time);
    while (1) {
        my $form = $self->_form($v);
        last if $form && !$v->{pending};
        $answered = time if $form;
        die "visitor $v->{name} still waits\n" if time > $deadline || time > $answered + 10;
        sleep 0.1;
    }
    $v->{consent} =~ s/[<>]//g;
    $self->_note('holds', $v->{name}, $v->{subject}, $v->{position}, [sort split /,/, $v->{consent}]);
}


sub _connection {
    my ($self, $v) = @_;

    my $peer = $self->{peers}[$v->{name} % @{$self->{peers}}];
    my $client = $self->{connections}{$peer};
    return $client if $client && !$client->{closed} && !$self->{fresh};
    return $self->{connections}{$peer} = eval { Test::Privacy::Client->new(peer => $peer) };
}


sub _request {
    my ($self, $client, $v, $method, $uri, $body, @headers) = @_;

    my $r = $client->request($method, $uri, body => $body, headers => ['Sec-Fetch-Site' => 'same-origin',
        Accept => 'application/json', 'Accept-Language' => 'en',
        defined $body ? ('Content-Type' => 'application/json') : (), $v->{jar} ? (Cookie => "privacy=$v->{jar}") : (),
        @headers]);
    $client->{closed} = 1 if !$r->complete || !$r->status || ($r->header('Connection') // '') =~ /close/i;
    for ($r->headers('Set-Cookie')) {
        $v->{jar} = $1 || undef if /^privacy=([^;]*)/;
    }
    return $r;
}


sub _failed {
    my ($self, $v, $status) = @_;

    $self->_note('failed', $v->{name}, $status);
    return;
}


sub _note {
    my ($self, @what) = @_;

    print {$self->{journal}} $json->encode(\@what) . "\n";
}


1;
