#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../../t/lib";
use Browser;

Browser::run('https');
